import Foundation
import Synchronization

@testable import Journal

/// The machine's files, with faults put in, and a log of what was done in which order.
final class FaultyFiles: JournalFileSystem {
    enum Fault: Sendable { case none, full, short }

    enum Event: Sendable, Equatable {
        case create(String)
        /// With the sequences of the records in it; none for a header.
        case append(String, [UInt64])
        case beginSync(String)
        case endSync(String, CInt)
        case remove(String)
    }

    private struct State {
        var fault = Fault.none
        var failingSyncs = 0
        var failingCreates = 0
        /// By the file's name: how often it cannot be read, and why.
        var failingReads: [String: (times: Int, code: CInt)] = [:]
        var freeBytes: Int?
        var syncs = 0
        var bytesRead = 0
        var events: [Event] = []
    }

    private let system = SystemFiles()
    private let state = Mutex(State())

    var syncs: Int { state.withLock { $0.syncs } }
    /// Of all files together.
    var bytesRead: Int { state.withLock { $0.bytesRead } }
    var events: [Event] { state.withLock { $0.events } }

    func set(_ fault: Fault) { state.withLock { $0.fault = fault } }
    func failSyncs(_ count: Int) { state.withLock { $0.failingSyncs = count } }
    func failCreates(_ count: Int) { state.withLock { $0.failingCreates = count } }
    func failReads(of file: String, _ times: Int, code: CInt = EIO) {
        state.withLock { $0.failingReads[file] = (times, code) }
    }

    func setFreeBytes(_ count: Int?) { state.withLock { $0.freeBytes = count } }

    func claim(_ folder: String) throws(FileFailure) -> Bool { try system.claim(folder) }
    func release(_ folder: String) { system.release(folder) }
    func names(in folder: String) throws(FileFailure) -> [String] { try system.names(in: folder) }

    func create(_ path: String) throws(FileFailure) -> any JournalFile {
        let fails = state.withLock { state in
            if state.failingCreates == 0 { return false }
            state.failingCreates -= 1
            return true
        }
        if fails { throw FileFailure(step: "create a file", code: ENOSPC) }
        note(.create(name(path)))
        return FaultyFile(try system.create(path), name: name(path), files: self)
    }

    func read(_ path: String, from offset: Int, to end: Int) throws(FileFailure) -> [UInt8] {
        let code = state.withLock { state -> CInt? in
            guard let failing = state.failingReads[name(path)], failing.times > 0 else { return nil }
            state.failingReads[name(path)]?.times -= 1
            return failing.code
        }
        if let code { throw FileFailure(step: "read a file", code: code) }
        let bytes = try system.read(path, from: offset, to: end)
        state.withLock { $0.bytesRead += bytes.count }
        return bytes
    }

    func truncate(_ path: String, to length: Int) throws(FileFailure) { try system.truncate(path, to: length) }
    func sync(_ path: String) throws(FileFailure) { try system.sync(path) }
    func rename(_ path: String, to other: String) throws(FileFailure) { try system.rename(path, to: other) }

    func remove(_ path: String) throws(FileFailure) {
        note(.remove(name(path)))
        try system.remove(path)
    }

    func syncFolder(_ folder: String) throws(FileFailure) { try system.syncFolder(folder) }

    func freeBytes(in folder: String) throws(FileFailure) -> Int {
        let told = state.withLock { $0.freeBytes }
        if let told { return told }
        return try system.freeBytes(in: folder)
    }

    private func name(_ path: String) -> String { String(path.split(separator: "/").last ?? "") }

    fileprivate func note(_ event: Event) { state.withLock { $0.events.append(event) } }

    fileprivate var fault: Fault { state.withLock { $0.fault } }

    fileprivate func syncFails() -> Bool {
        state.withLock { state in
            state.syncs += 1
            guard state.failingSyncs > 0 else { return false }
            state.failingSyncs -= 1
            return true
        }
    }
}

private final class FaultyFile: JournalFile {
    private let file: any JournalFile
    private let name: String
    private let files: FaultyFiles

    init(_ file: any JournalFile, name: String, files: FaultyFiles) {
        self.file = file
        self.name = name
        self.files = files
    }

    func append(_ bytes: UnsafeRawBufferPointer) -> Int {
        switch files.fault {
        case .none:
            let sequences = SegmentScan(bytes, .frames).frames.map(\.sequence)
            files.note(.append(name, sequences))
            return file.append(bytes)
        case .full: return -Int(ENOSPC)
        case .short: return file.append(UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count / 2)]))
        }
    }

    func truncate(to length: Int) -> CInt { file.truncate(to: length) }

    func sync() -> CInt {
        files.note(.beginSync(name))
        let code = files.syncFails() ? EIO : file.sync()
        files.note(.endSync(name, code))
        return code
    }

    func close() { file.close() }
}
