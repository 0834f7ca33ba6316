import Billing
import Kernel
import Testing

@Suite struct AccountTests {
    @Test func `what is available is credits and limit less debits and pending, and never below zero`() {
        let sums = AccountSums(debits: 30, credits: 20, pending: 15)
        #expect(sums.available(limit: 100) == 75)
        #expect(sums.available(limit: 10) == 0)
        #expect(AccountSums(debits: .max, credits: 0, pending: .max).available(limit: .max) == 0)
    }

    @Test func `a platform account has one identifier for kind, asset and subject, and no two share it`() {
        var seen: Set<AccountID> = []
        for kind in Account.Kind.allCases {
            for asset in Asset.all {
                for subject in ["", "prv_1", "prv_2"] {
                    let id = PlatformAccounts.id(kind, asset, subject: subject)
                    #expect(id == PlatformAccounts.account(kind, asset, subject: subject).id)
                    #expect(seen.insert(id).inserted)
                }
            }
        }
    }
}
