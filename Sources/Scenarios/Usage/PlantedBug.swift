import Database
import Inference
import Journal
import TestKit

/// Mistakes that somebody could make, each put in at a port. A scenario that does not find them proves nothing.
package enum PlantedBug: String, Sendable, CaseIterable {
    /// A sync that reports success and does nothing.
    case skippedSync = "skipped-sync"
    /// A batch that is sent again counts again.
    case doubleShipping = "double-shipping"
    /// The record of the end comes after the bytes that say it.
    case closeAfterBytes = "close-after-bytes"
    /// The records of an event loop's turn are handed over when its bytes are gone already.
    case lateCommit = "late-commit"
    /// The record of the beginning is missing.
    case lostOpen = "lost-open"
    /// Recovery does not look at all that is there.
    case shortReplay = "short-replay"
    /// A record that was half written is taken for whole.
    case tornTail = "torn-tail"

    package var summary: String {
        switch self {
        case .skippedSync: "a sync that reports success and does nothing"
        case .doubleShipping: "a batch of usage that is stored again when it is sent again"
        case .closeAfterBytes: "the close record is written after the last bytes of the answer"
        case .lateCommit: "what a turn of the loop noted is handed over after the bytes that it stands before"
        case .lostOpen: "no open record is written"
        case .shortReplay: "recovery reads only a part of the newest segment"
        case .tornTail: "a half-written record at the end of a segment is taken for whole"
        }
    }

    func journal(_ journal: any UsageJournal, process: SimulatedProcess) -> any UsageJournal {
        switch self {
        case .closeAfterBytes: LateJournal(journal, late: .end, process: process)
        case .lateCommit: LateJournal(journal, late: .turn, process: process)
        case .lostOpen: ForgetfulJournal(inner: journal)
        case .skippedSync, .doubleShipping, .shortReplay, .tornTail: journal
        }
    }

    func store(_ store: any UsageStore, database: any Database) -> any UsageStore {
        switch self {
        case .doubleShipping: RepeatingStore(inner: store)
        case .skippedSync, .closeAfterBytes, .lateCommit, .lostOpen, .shortReplay, .tornTail: store
        }
    }

    func files(_ files: any JournalFileSystem) -> any JournalFileSystem {
        switch self {
        case .shortReplay: ShortSightedFiles(inner: files)
        case .tornTail: TrustingFiles(inner: files)
        case .skippedSync, .doubleShipping, .closeAfterBytes, .lateCommit, .lostOpen: files
        }
    }
}
