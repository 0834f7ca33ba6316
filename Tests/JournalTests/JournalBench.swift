import Foundation
import Inference
import Kernel
import Logging
import Synchronization
import TestKit
import Testing

@testable import Journal

/// A journal in a folder of its own, with a store that it ships to and a disk that can fail.
struct JournalBench: Sendable {
    let folder: TemporaryFolder
    let samples = Samples()
    let store = MemoryUsageStore()
    let disk = FaultyFiles()
    let workspace: WorkspaceID
    let key: KeyID

    init() throws {
        folder = try TemporaryFolder()
        workspace = samples.ids.next()
        key = samples.ids.next()
    }

    var path: String { folder.path("journal") }

    func open(
        _ limits: SegmentedJournal.Limits = SegmentedJournal.Limits(), writer: JournalWriter = .thread
    ) throws -> SegmentedJournal {
        try SegmentedJournal.open(
            folder: path, clock: samples.clock, logger: Logger(label: "test"), limits: limits, files: disk,
            writer: writer)
    }

    func shipper(
        _ journal: SegmentedJournal, limits: JournalShipper.Limits = JournalShipper.Limits()
    ) -> JournalShipper {
        JournalShipper(
            journal: journal, store: store, clock: samples.clock, random: SeededRandom(), logger: Logger(label: "test"),
            limits: limits)
    }

    func request(attempt: Int = 1) -> OpenRequest {
        OpenRequest(
            request: samples.ids.next(), clientRequest: "client-1", workspace: workspace, key: key, operation: .chat,
            model: "tiny", deployment: samples.ids.next(), isStream: true, attempt: attempt,
            started: samples.clock.now)
    }

    func progress(of open: OpenRequest, tokens: Int) -> RequestProgress {
        RequestProgress(
            request: open.request, usage: Usage(inputTokens: 3, outputTokens: tokens, source: .counted),
            elapsed: .milliseconds(tokens), firstToken: .milliseconds(1))
    }

    func end(of open: OpenRequest, tokens: Int = 9) -> UsageRecord {
        UsageRecord(
            request: open.request, clientRequest: open.clientRequest, workspace: open.workspace, key: open.key,
            operation: open.operation, model: open.model, deployment: open.deployment, isStream: open.isStream,
            status: .succeeded, httpStatus: 200, errorCode: nil,
            usage: Usage(inputTokens: 3, outputTokens: tokens, source: .provider), started: open.started,
            latency: .milliseconds(tokens), firstToken: .milliseconds(1))
    }

    /// One pass of a stepped journal.
    func step(_ journal: SegmentedJournal) {
        let pass = journal.beginPass()
        journal.endPass(pass, pass.sync())
    }

    func record(tokens: Int = 7) -> UsageRecord { samples.record(in: workspace, key: key, tokens: tokens) }

    @discardableResult
    func append(_ count: Int, to journal: SegmentedJournal) -> [UsageRecord] {
        let records = (0..<count).map { record(tokens: $0) }
        for record in records { journal.close(record) }
        return records
    }

    /// As after `kill -9`: a copy of what the system has, without the process' end.
    func crashCopy() throws -> JournalBench {
        let copy = try JournalBench()
        try FileManager.default.copyItem(atPath: path, toPath: copy.path)
        return copy
    }

    /// Every record that is on file, in order.
    func contents() throws -> [SegmentScan.Frame] { try files.flatMap { try contents(of: $0).scan.frames } }

    func contents(of file: String) throws -> SegmentContents {
        let number = try #require(UInt64(file.prefix { $0 != "." }))
        return SegmentContents(Array(try bytes(of: file)), number: number)
    }

    /// Whether one file is left, which only keeps the count.
    var isEmptied: Bool { get throws { try files.count == 1 && contents().isEmpty } }

    var files: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).filter { $0 != "lock" }.sorted()
    }

    func bytes(of file: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path + "/" + file)) }

    func write(_ bytes: Data, to file: String) throws {
        try bytes.write(to: URL(fileURLWithPath: path + "/" + file))
    }
}
