import Billing
import Flows
import Kernel
import Synchronization
import TestKit
import Testing

@Suite struct LedgerVerificationFlowTests {
    @Test("a second verification is refused while one runs, and not afterwards")
    func oneAtATime() async throws {
        let reports = HeldReports()
        let flow = LedgerVerificationFlow(
            reports: reports, anchors: NoAnchors(),
            verification: LedgerVerification(postings: NoSeal(), links: NoSeal(), grace: .seconds(1)))
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await #expect(throws: HeldReports.Gone.self) { try await flow.verify() } }
            await #expect(throws: Never.self) { try await eventually("it looks") { reports.isExamined } }
            await #expect(throws: Problem.self) { try await flow.verify() }
            reports.letGo()
        }
        reports.letGo()
        await #expect(throws: HeldReports.Gone.self) { try await flow.verify() }
    }
}

/// Stands still in the middle of a look, and then fails.
private final class HeldReports: LedgerReports {
    struct Gone: Error {}

    private let looks = Mutex(0)
    private let (stream, continuation) = AsyncStream.makeStream(of: Void.self)

    var isExamined: Bool { looks.withLock { $0 > 0 } }
    func letGo() { continuation.yield() }

    func balances(of tenant: TenantID, workspace: WorkspaceID?) async throws -> [WalletBalance] { [] }
    func statement(_ query: StatementQuery, page: PageRequest) async throws -> Statement? { nil }
    func examine<Result: Sendable>(
        _ body: @escaping @Sendable (any LedgerView) throws -> Result
    ) async throws -> Result {
        looks.withLock { $0 += 1 }
        for await _ in stream { break }
        throw Gone()
    }
}

private struct NoAnchors: LedgerAnchors {
    func anchor(_ head: LedgerHead) async throws {}
    func head() async throws -> LedgerHead? { nil }
    func complaints() async throws -> [String] { [] }
}

private struct NoSeal: LedgerSealer {
    func seal(_ bytes: [UInt8]) -> [UInt8] { [] }
}
