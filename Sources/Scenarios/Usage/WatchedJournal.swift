import Inference
import Journal
import Kernel
import TestKit

/// Who notes what a platform hands to its journal, and what of it is safe.
protocol JournalWitness: AnyObject {
    /// - Returns: which of the request's beginnings it is.
    func noteOpen(_ open: OpenRequest, life: Int) -> Int
    /// - Returns: which of the request's progress it is; nil for a request that never began.
    func noteProgress(_ progress: RequestProgress) -> Int?
    func noteClose(_ record: UsageRecord)
    func update(_ id: String, _ change: (inout RequestLog) -> Void)
}

/// Stands between the gateway and its journal, and notes what was handed over and when it was safe.
// SAFETY: used on the simulation's thread only.
final class WatchedJournal: UsageJournal, @unchecked Sendable {
    private let inner: any UsageJournal
    private let files: WatchedFiles
    private let process: SimulatedProcess
    private let life: Int
    private unowned let world: any JournalWitness & Sendable
    /// Told that there is something to sync.
    private let bell: SimulatedBell
    /// What was noted since the last commit, and where it is told whether the file system took it.
    private var uncommitted: [(id: String, note: (inout RequestLog, Bool) -> Void)] = []

    init(
        _ inner: any UsageJournal, files: WatchedFiles, process: SimulatedProcess, life: Int,
        world: any JournalWitness & Sendable,
        bell: SimulatedBell
    ) {
        self.inner = inner
        self.files = files
        self.process = process
        self.life = life
        self.world = world
        self.bell = bell
    }

    func note(_ request: OpenRequest) {
        guard process.isAlive else { return }
        let id = request.request.description
        let index = world.noteOpen(request, life: life)
        hand("open \(id) attempt \(request.attempt)") { inner.note(request) }
        uncommitted.append((id, { $0.opens[index].didCommit(isWritten: $1) }))
        whenDurable(id) { $0.opens[index].isDurable = true }
    }

    func note(_ progress: RequestProgress) {
        guard process.isAlive else { return }
        let id = progress.request.description
        guard let index = world.noteProgress(progress) else { return inner.note(progress) }
        hand("progress \(id) \(progress.usage.outputTokens)") { inner.note(progress) }
        uncommitted.append((id, { $0.progress[index].didCommit(isWritten: $1) }))
        whenDurable(id) { $0.progress[index].isDurable = true }
    }

    func note(_ record: UsageRecord) {
        guard process.isAlive else { return }
        let id = record.request.description
        world.noteClose(record)
        hand("close \(id) \(record.status.rawValue) \(record.usage.outputTokens)") { inner.note(record) }
        uncommitted.append((id, { $0.close?.didCommit(isWritten: $1) }))
        whenDurable(id) { $0.close?.isDurable = true }
    }

    func commit() {
        guard process.isAlive else { return }
        files.beginWatch()
        inner.commit()
        guard process.isAlive else { return }
        // Not known where the writer was quicker.
        let isWritten = files.tookAll
        for (id, note) in uncommitted { world.update(id) { note(&$0, isWritten) } }
        uncommitted = []
    }

    private func hand(_ what: String, _ note: () -> Void) {
        process.simulation.note(process.name, "journal \(what)")
        note()
        bell.ring()
    }

    private func whenDurable(_ id: String, _ note: @escaping @Sendable (inout RequestLog) -> Void) {
        inner.whenSynced { [process, unowned world] in
            guard process.isAlive else { return }
            world.update(id, note)
        }
    }

    var isStrict: Bool { inner.isStrict }

    func whenSynced(_ body: @escaping @Sendable () -> Void) {
        inner.whenSynced(body)
        bell.ring()
    }

    var refusal: Problem? { inner.refusal }
}

/// The journal's file system, and whether it took what it was given.
// SAFETY: used on the simulation's thread only.
final class WatchedFiles: ForwardingFiles, @unchecked Sendable {
    let inner: any JournalFileSystem
    private(set) var tookAll = false
    private(set) var hasRefused = false

    init(_ inner: any JournalFileSystem) { self.inner = inner }

    func beginWatch() { tookAll = false }

    fileprivate func took(_ count: Int, of whole: Int) {
        tookAll = count == whole
        if count != whole { hasRefused = true }
    }

    func create(_ path: String) throws(FileFailure) -> any JournalFile {
        WatchedFile(try inner.create(path), files: self)
    }
}

// SAFETY: used on the simulation's thread only.
private final class WatchedFile: JournalFile, @unchecked Sendable {
    private let inner: any JournalFile
    private let files: WatchedFiles

    init(_ inner: any JournalFile, files: WatchedFiles) {
        self.inner = inner
        self.files = files
    }

    func append(_ bytes: UnsafeRawBufferPointer) -> Int {
        let count = inner.append(bytes)
        files.took(count, of: bytes.count)
        return count
    }

    func truncate(to length: Int) -> CInt { inner.truncate(to: length) }
    func sync() -> CInt { inner.sync() }
    func close() { inner.close() }
}
