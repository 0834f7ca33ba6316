import Billing
import Foundation
import Kernel
import TestKit
import Testing

@testable import App

@Suite("the file of the ledger's anchors")
struct LedgerAnchorFileTests {
    private let temporary: TemporaryFolder

    init() throws { temporary = try TemporaryFolder() }

    private var path: String { temporary.path("ledger-anchors") }

    private func file() -> LedgerAnchorFile {
        LedgerAnchorFile(path: path, sealer: PlainSealer(), clock: ManualClock())
    }

    private func head(_ number: Int64) -> LedgerHead {
        LedgerHead(number: number, seal: PlainSealer().seal(Array("\(number)".utf8)))
    }

    @Test("keeps the highest head, which the next process reads")
    func keeps() async throws {
        let file = file()
        try await file.begin(over: Links(), isNewFolder: true)
        #expect(try await file.head() == nil)
        for number in [3, 7, 5] as [Int64] { try await file.anchor(head(number)) }
        let next = self.file()
        #expect(try await next.head() == head(7))
        #expect(try await next.complaints().isEmpty)
    }

    @Test("is complained of when it is gone where there is a chain, and begins by itself where there is none")
    func gone() async throws {
        let file = file()
        try await file.begin(over: Links(last: head(4)), isNewFolder: false)
        #expect(try await file.complaints().count == 1)
        try await file.begin(over: Links(), isNewFolder: false)
        #expect(try await file.complaints().isEmpty)
        try await file.anchor(head(4))
        try FileManager.default.removeItem(atPath: path)
        #expect(try await self.file().complaints().count == 1)
    }
}

private struct Links: LedgerLinks {
    var last: LedgerHead?

    func link(limit: Int) async throws -> Int { 0 }
    func links(after number: Int64, limit: Int) async throws -> [LinkRow] { [] }
    func head() async throws -> LedgerHead? { last }
}
