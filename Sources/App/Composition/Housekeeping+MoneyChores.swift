import Billing
import Kernel

extension Housekeeping {
    private static let moneyBatch = 100

    /// What budgets and credit want done as time goes by. Each step of it happens once, whoever does it.
    static func moneyChores(
        wallets: any WalletStore & AllowanceStore, rolling: any RollingBudgetStore, clock: any Kernel.Clock
    ) -> [Chore] {
        [
            // The shortest window moves every ten seconds.
            Chore(name: "rolling budgets", interval: .seconds(5)) {
                var last: BudgetID?
                repeat {
                    last = try await rolling.roll(at: clock.now, after: last, limit: moneyBatch)
                } while last != nil
                return false
            },
            Chore(name: "ended credit", interval: .seconds(30)) {
                try await wallets.lapse(at: clock.now, limit: moneyBatch) == moneyBatch
            },
            Chore(name: "allowances of plans", interval: .seconds(30)) {
                // Those that cannot be given yet come again each time: not at once.
                _ = try await wallets.grantAllowances(at: clock.now, limit: moneyBatch)
                return false
            },
        ]
    }
}
