import Billing
import Database
import Inference
import Kernel
import Stores
import Tenancy
import TestKit

/// Who is there before a run begins: a tenant with workspaces, each with a key.
struct Town: Sendable {
    static let mostPlaces = 3

    let snapshot: DiskSnapshot
    let tenant: TenantID
    let workspaces: [WorkspaceID]

    struct Unfinished: Error {}

    init() throws {
        let found = Shared<[Workspace]>([])
        snapshot = try Fixture.makeDisk { database, clock in
            let ids = IDSource(clock: clock, random: SeededRandom(seed: 1))
            let store = DatabaseWorkspaceStore(database, sealing: PlainSealer())
            for place in 0..<Self.mostPlaces {
                let workspace = try await store.ensure(
                    tenant: "tenant", workspace: "place\(place)", ids: ids, now: clock.now)
                found.update { $0.append(workspace) }
            }
            try await DatabaseLedger(database, sealing: PlainLedgerSealer(), ids: ids).openPlatformAccounts()
        }
        guard let tenant = found.value.first?.tenant, found.value.count == Self.mostPlaces else { throw Unfinished() }
        self.tenant = tenant
        workspaces = found.value.map(\.id)
    }

    func spender(in place: Int) -> Spender {
        Spender(
            tenant: tenant, workspace: workspaces[place], key: KeyID(ULID(high: 5, low: UInt64(place))), user: nil)
    }

    func deployment(of model: MoneyPlan.Model) -> Deployment {
        let index = MoneyPlan.Model.allCases.firstIndex(of: model) ?? 0
        return Fixture.deployments[index]
    }
}

/// Not keyed, and no cryptography.
struct PlainLedgerSealer: LedgerSealer {
    func seal(_ bytes: [UInt8]) -> [UInt8] { PlainSealer().seal(bytes) }
}

/// What is anchored outlives every process.
// SAFETY: used on the simulation's thread only.
final class AnchorBook: LedgerAnchors, @unchecked Sendable {
    private var last: LedgerHead?

    func anchor(_ head: LedgerHead) async throws { if last?.number ?? 0 < head.number { last = head } }
    func head() async throws -> LedgerHead? { last }
    func complaints() async throws -> [String] { [] }
}
