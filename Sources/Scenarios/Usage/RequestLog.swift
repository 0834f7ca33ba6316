import Inference
import Kernel

/// What the platform handed to its journal for one request, and what of it cannot be lost any more.
struct RequestLog {
    struct Entry<Value> {
        let value: Value
        /// It was committed while its process lived.
        var isDone = false
        /// The file system took all of it.
        var isWritten = false
        /// A sync that the journal believed in covers it.
        var isDurable = false

        mutating func didCommit(isWritten: Bool) {
            isDone = true
            self.isWritten = isWritten
        }
    }

    /// Which life of the platform it belongs to.
    let life: Int
    var opens: [Entry<OpenRequest>] = []
    var progress: [Entry<RequestProgress>] = []
    var close: Entry<UsageRecord>?
}

/// How a life of the platform went.
struct Life {
    enum End {
        case running, killed, powerCut
    }

    var end = End.running
    /// Whether the file system ever refused the journal a byte. Until then everything handed over is written.
    var hadFailedAppends = false
    /// Whether the journal was opened, and with it everything recovered that was there.
    var hasJournal = false
    var isStrict: Bool
}

extension [Life] {
    /// Whether a record of this life must be there for ever.
    func mustSurvive<Value>(_ entry: RequestLog.Entry<Value>, of life: Int) -> Bool {
        let of = self[life]
        switch of.end {
        case .running: return true
        case .powerCut: return entry.isDurable
        case .killed:
            guard entry.isDone else { return false }
            if entry.isDurable { return true }
            // The system has it, as long as the machine has power or until the next life has recovered it.
            guard !of.hadFailedAppends || entry.isWritten else { return false }
            let next = self[(life + 1)...].first { $0.hasJournal || $0.end == .powerCut }
            return next?.hasJournal ?? true
        }
    }
}
