import Inference
import Kernel

/// What the platform handed to its journal for one request, and what of it cannot be lost any more.
struct RequestLog {
    struct Entry<Value> {
        let value: Value
        /// The call returned while its process lived.
        var isDone = false
        /// The file system took all of it.
        var isWritten = false
        /// A sync that the journal believed in covers it.
        var isDurable = false
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
    var isStrict: Bool

    /// Whether a record of this life can have been lost.
    func mustSurvive<Value>(_ entry: RequestLog.Entry<Value>) -> Bool {
        switch end {
        case .running: true
        case .killed: entry.isDone && (!hadFailedAppends || entry.isWritten || entry.isDurable)
        case .powerCut: entry.isDurable
        }
    }
}
