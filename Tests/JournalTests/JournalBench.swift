import Foundation
import Inference
import Kernel
import Logging
import Synchronization
import TestKit

@testable import Journal

/// A journal in a folder of its own, with a store that it ships to and a disk that can fail.
struct JournalBench: Sendable {
    let folder: TemporaryFolder
    let samples = Samples()
    let store = MemoryUsageStore()
    let disk = FailingDisk()
    let workspace: WorkspaceID
    let key: KeyID

    init() throws {
        folder = try TemporaryFolder()
        workspace = samples.ids.next()
        key = samples.ids.next()
    }

    var path: String { folder.path("journal") }

    func open(_ limits: SegmentedJournal.Limits = SegmentedJournal.Limits()) throws -> SegmentedJournal {
        try SegmentedJournal.open(
            folder: path, clock: samples.clock, logger: Logger(label: "test"), limits: limits, disk: disk.calls)
    }

    func shipper(
        _ journal: SegmentedJournal, limits: JournalShipper.Limits = JournalShipper.Limits()
    ) -> JournalShipper {
        JournalShipper(
            journal: journal, store: store, clock: samples.clock, random: SeededRandom(), logger: Logger(label: "test"),
            limits: limits)
    }

    func record(tokens: Int = 7) -> UsageRecord { samples.record(in: workspace, key: key, tokens: tokens) }

    @discardableResult
    func append(_ count: Int, to journal: SegmentedJournal) -> [UsageRecord] {
        let records = (0..<count).map { record(tokens: $0) }
        for record in records { journal.append(record) }
        return records
    }

    /// As after `kill -9`: a copy of what the system has, without the process' end.
    func crashCopy() throws -> JournalBench {
        let copy = try JournalBench()
        try FileManager.default.copyItem(atPath: path, toPath: copy.path)
        return copy
    }

    var files: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).filter { $0 != "lock" }.sorted()
    }

    func bytes(of file: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path + "/" + file)) }

    func write(_ bytes: Data, to file: String) throws {
        try bytes.write(to: URL(fileURLWithPath: path + "/" + file))
    }
}

/// The system's calls, with faults put in.
final class FailingDisk: Sendable {
    enum Fault: Sendable { case none, full, short }

    private struct State {
        var fault = Fault.none
        var failingSyncs = 0
        var syncs = 0
    }

    private let state = Mutex(State())

    var syncs: Int { state.withLock { $0.syncs } }

    func set(_ fault: Fault) { state.withLock { $0.fault = fault } }

    func failSyncs(_ count: Int) { state.withLock { $0.failingSyncs = count } }

    var calls: JournalDisk {
        JournalDisk(
            write: { [self] descriptor, bytes in
                switch state.withLock({ $0.fault }) {
                case .none:
                    return JournalDisk.system.write(descriptor, bytes)
                case .full:
                    errno = ENOSPC
                    return -1
                case .short:
                    return JournalDisk.system.write(
                        descriptor, UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count / 2)]))
                }
            },
            sync: { [self] descriptor in
                let fails = state.withLock { state in
                    state.syncs += 1
                    guard state.failingSyncs > 0 else { return false }
                    state.failingSyncs -= 1
                    return true
                }
                if fails {
                    errno = EIO
                    return -1
                }
                return JournalDisk.system.sync(descriptor)
            })
    }
}
