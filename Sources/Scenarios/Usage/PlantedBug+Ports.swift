import Inference
import Journal
import Kernel
import TestKit

/// Takes records when the bytes that they stand before are gone already.
// SAFETY: used on the simulation's thread only.
final class LateJournal: UsageJournal, @unchecked Sendable {
    enum Part {
        /// The record of the end.
        case end
        /// Whatever a turn of the loop notes, and its commit.
        case turn
    }

    private let inner: any UsageJournal
    private let process: SimulatedProcess
    private let part: Part

    init(_ inner: any UsageJournal, late part: Part, process: SimulatedProcess) {
        self.inner = inner
        self.process = process
        self.part = part
    }

    func note(_ request: OpenRequest) { act(isLate: part == .turn) { $0.note(request) } }
    func note(_ progress: RequestProgress) { act(isLate: part == .turn) { $0.note(progress) } }
    func note(_ record: UsageRecord) { act(isLate: true) { $0.note(record) } }
    func commit() { act(isLate: part == .turn) { $0.commit() } }

    private func act(isLate: Bool, _ act: @escaping @Sendable (any UsageJournal) -> Void) {
        guard isLate else { return act(inner) }
        process.simulation.after(.milliseconds(2), of: process) { [inner] in act(inner) }
    }

    var isStrict: Bool { inner.isStrict }
    func whenSynced(_ body: @escaping @Sendable () -> Void) { inner.whenSynced(body) }
    var refusal: Problem? { inner.refusal }
}

final class ForgetfulJournal: UsageJournal {
    private let inner: any UsageJournal

    init(inner: any UsageJournal) { self.inner = inner }

    func note(_ request: OpenRequest) {}
    func note(_ progress: RequestProgress) { inner.note(progress) }
    func note(_ record: UsageRecord) { inner.note(record) }
    func commit() { inner.commit() }
    var isStrict: Bool { inner.isStrict }
    func whenSynced(_ body: @escaping @Sendable () -> Void) { inner.whenSynced(body) }
    var refusal: Problem? { inner.refusal }
}

/// What is stored again gets an identity of its own.
struct RepeatingStore: UsageStore {
    let inner: any UsageStore
    private let seen = Shared<Set<RequestID>>([])

    init(inner: any UsageStore) { self.inner = inner }

    func insert(_ records: [UsageRecord]) async throws {
        let known = seen.value
        seen.update { $0.formUnion(records.map(\.request)) }
        try await inner.insert(records.map { known.contains($0.request) ? $0.asAnother : $0 })
    }

    func record(of request: RequestID, in workspace: WorkspaceID) async throws -> UsageRecord? {
        try await inner.record(of: request, in: workspace)
    }

    func list(in workspace: WorkspaceID, page: PageRequest) async throws -> Page<UsageRecord> {
        try await inner.list(in: workspace, page: page)
    }

    func summary(in workspace: WorkspaceID, days: Int, until now: Instant) async throws -> [UsageSummary] {
        try await inner.summary(in: workspace, days: days, until: now)
    }
}

extension UsageRecord {
    /// The same under another identity.
    var asAnother: UsageRecord {
        UsageRecord(
            request: RequestID(ULID(high: request.ulid.high, low: request.ulid.low ^ 1)), clientRequest: clientRequest,
            workspace: workspace, key: key, operation: operation, model: model, deployment: deployment,
            isStream: isStream, status: status, httpStatus: httpStatus, errorCode: errorCode, usage: usage,
            started: started, latency: latency, firstToken: firstToken, billing: billing, attempts: attempts)
    }
}

/// Reads only the first half of a large file.
struct ShortSightedFiles: ForwardingFiles {
    let inner: any JournalFileSystem

    func read(_ path: String, from offset: Int, to end: Int) throws(FileFailure) -> [UInt8] {
        let bytes = try inner.read(path, from: offset, to: end)
        // Only recovery asks for everything; the shipper knows where a segment ends.
        guard offset == 0, bytes.count > 600 else { return bytes }
        return Array(bytes.prefix(bytes.count / 2))
    }
    func truncate(_ path: String, to length: Int) throws(FileFailure) {}
}

/// Takes the record that a crash cut off for a whole one: what is missing reads as zeros, under a sum that fits.
struct TrustingFiles: ForwardingFiles {
    let inner: any JournalFileSystem
    private static let header = 64
    private static let prefix = 8

    init(inner: any JournalFileSystem) { self.inner = inner }

    func read(_ path: String, from offset: Int, to end: Int) throws(FileFailure) -> [UInt8] {
        let bytes = Self.completed(try inner.read(path, from: 0, to: .max))
        return offset < bytes.count ? Array(bytes[offset..<min(end, bytes.count)]) : []
    }

    private static func completed(_ bytes: [UInt8]) -> [UInt8] {
        guard var offset = firstFrame(in: bytes) else { return bytes }
        while offset + prefix <= bytes.count {
            let length = number(at: offset, in: bytes)
            let end = offset + prefix + length
            guard (9...16_384).contains(length) else { return bytes }
            if end > bytes.count {
                var whole = bytes + Array(repeating: 0, count: end - bytes.count)
                let sum = crc32c(whole[(offset + prefix)..<end])
                for index in 0..<4 { whole[offset + 4 + index] = UInt8(truncatingIfNeeded: sum >> (8 * index)) }
                return whole
            }
            offset = end
        }
        return bytes
    }

    /// Frames begin behind a header of a few bytes, of which this knows nothing.
    private static func firstFrame(in bytes: [UInt8]) -> Int? {
        (0..<min(header, bytes.count)).first { start in
            guard start + prefix <= bytes.count else { return false }
            let length = number(at: start, in: bytes)
            guard (9...16_384).contains(length), start + prefix + length <= bytes.count else { return false }
            return crc32c(bytes[(start + prefix)..<(start + prefix + length)])
                == UInt32(number(at: start + 4, in: bytes))
        }
    }

    private static func number(at offset: Int, in bytes: [UInt8]) -> Int {
        (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
    }

    /// Castagnoli's polynomial, bit by bit: a bug need not be quick.
    private static func crc32c(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var sum: UInt32 = 0xFFFF_FFFF
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? (sum >> 1) ^ 0x82F6_3B78 : sum >> 1 }
        }
        return ~sum
    }
}
