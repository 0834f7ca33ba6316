import Foundation
import Kernel
import Tenancy
import TestKit
import Testing

@testable import App

@Suite("the file of anchors")
struct AuditAnchorFileTests {
    private let temporary: TemporaryFolder
    private let clock = ManualClock()
    private let samples = Samples()

    init() throws { temporary = try TemporaryFolder() }

    private var path: String { temporary.path("audit-anchors") }

    private func file() -> AnchorFile { AnchorFile(path: path, sealer: PlainSealer(), clock: clock) }

    private func head(_ tenant: TenantID?, _ sequence: Int64) -> AuditHead {
        AuditHead(tenant: tenant, sequence: sequence, seal: PlainSealer().seal(Array("\(sequence)".utf8)))
    }

    private func lines() throws -> [String] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    private func write(_ lines: [String], end: String = "\n") throws {
        try (lines.joined(separator: "\n") + end).write(toFile: path, atomically: true, encoding: .utf8)
    }

    @Test("keeps the highest head of each chain, for the owner only, and is read by the next process")
    func keeps() async throws {
        let file = file()
        let tenant: TenantID = samples.ids.next()
        try await file.begin()
        try await file.anchor([head(nil, 3), head(tenant, 1)])
        try await file.anchor([head(nil, 2), head(nil, 5)])
        let expected = [head(nil, 5), head(tenant, 1)]
        #expect(Set(try await file.all()) == Set(expected))
        let next = self.file()
        #expect(Set(try await next.all()) == Set(expected))
        #expect(try await next.complaints().isEmpty)
        #expect(try lines().count == 4)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test("what is known already is not written again")
    func quiet() async throws {
        let file = file()
        try await file.begin()
        try await file.anchor([head(nil, 3)])
        let before = try lines()
        try await file.anchor([head(nil, 3)])
        try await file.anchor([])
        #expect(try lines() == before)
    }

    @Test("an append that was cut short is passed over, and the next one follows on what is whole")
    func torn() async throws {
        try await file().begin()
        try await file().anchor([head(nil, 1)])
        let whole = try lines()
        for length in [1, 20, 90] {
            try write(
                whole + ["head platform 2 \(String(repeating: "ab", count: 40))".prefix(length).description], end: "")
            let file = file()
            #expect(try await file.complaints().isEmpty)
            #expect(try await file.all() == [head(nil, 1)])
            try await file.anchor([head(nil, 3)])
            #expect(try await self.file().complaints().isEmpty)
            #expect(try await self.file().all() == [head(nil, 3)])
        }
    }

    @Test("any change of a line, and any line less, is told, and the anchors that hold still count")
    func damaged() async throws {
        let file = file()
        try await file.begin()
        for sequence in Int64(1)...6 { try await file.anchor([head(nil, sequence)]) }
        let whole = try lines()
        for index in whole.indices.dropLast() {
            var less = whole
            less.remove(at: index)
            try write(less)
            #expect(try await !self.file().complaints().isEmpty, "line \(index) less")
            #expect(try await self.file().all().first?.sequence ?? 0 >= (index == whole.count - 2 ? 0 : 6))
        }
        for index in whole.indices {
            for position in stride(from: 0, to: whole[index].utf8.count, by: 7) {
                var bytes = Array(whole[index].utf8)
                bytes[position] = bytes[position] == UInt8(ascii: "1") ? UInt8(ascii: "2") : UInt8(ascii: "1")
                var changed = whole
                changed[index] = String(decoding: bytes, as: UTF8.self)
                try write(changed)
                #expect(try await !self.file().complaints().isEmpty, "line \(index), byte \(position)")
            }
        }
    }

    @Test("a file that goes away while the platform runs is made again with all that is known, and that is told")
    func lost() async throws {
        let file = file()
        try await file.begin()
        try await file.anchor([head(nil, 4)])
        try FileManager.default.removeItem(atPath: path)
        #expect(try await file.complaints().count == 1)
        #expect(try await file.all() == [head(nil, 4)], "this process still knows")
        let tenant: TenantID = samples.ids.next()
        try await file.anchor([head(tenant, 1)])
        #expect(Set(try await self.file().all()) == [head(nil, 4), head(tenant, 1)])
        #expect(try await self.file().complaints().count == 1)
    }

    @Test("an older copy put in the file's place is told, and what it lacks is added again")
    func older() async throws {
        let file = file()
        try await file.begin()
        try await file.anchor([head(nil, 4)])
        let copy = try lines()
        try await file.anchor([head(nil, 9)])
        try write(copy)
        try await file.anchor([head(nil, 9)])
        #expect(try await self.file().all() == [head(nil, 9)])
        #expect(try await self.file().complaints().count == 1)
    }

    @Test("where it should have been there, the first anchor says that it was lost")
    func missing() async throws {
        let file = file()
        #expect(try await file.complaints().count == 1)
        try await file.anchor([head(nil, 4)])
        #expect(try await self.file().all() == [head(nil, 4)])
        #expect(try await self.file().complaints().count == 1)
    }

    @Test("does not grow for ever, and keeps what it says")
    func compacted() async throws {
        let file = AnchorFile(path: path, sealer: PlainSealer(), clock: clock, manyLines: 40)
        try await file.begin()
        for sequence in Int64(1)...100 { try await file.anchor([head(nil, sequence)]) }
        #expect(try lines().count <= 41)
        #expect(try await self.file().all() == [head(nil, 100)])
        #expect(try await self.file().complaints().isEmpty)
    }

    @Test("another key's file is damage, and nothing in it counts")
    func otherKey() async throws {
        struct Other: AuditSealer {
            func seal(_ bytes: [UInt8]) -> [UInt8] { PlainSealer().seal([1] + bytes) }
        }
        let other = AnchorFile(path: path, sealer: Other(), clock: clock)
        try await other.begin()
        try await other.anchor([head(nil, 4)])
        #expect(try await file().all().isEmpty)
        #expect(try await !file().complaints().isEmpty)
    }
}
