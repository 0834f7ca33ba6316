/// The journal as a reader from outside sees it. Takes no lock and changes nothing, so it may look at a folder that a
/// platform writes to.
package struct JournalInspection: Sendable {
    private let folder: JournalFolder

    /// - Parameter folder: absolute; it must exist.
    package init(folder: String, files: any JournalFileSystem = SystemFiles()) {
        self.folder = JournalFolder(path: folder, files: files)
    }

    /// The files that are there, those that were set aside among them, in the order of their numbers.
    package func segments() throws(FileFailure) -> [SegmentName] {
        let (numbers, setAside) = try folder.numbers()
        let names =
            numbers.map { SegmentName(number: $0, isSetAside: false) }
            + setAside.map { SegmentName(number: $0, isSetAside: true) }
        return names.sorted { $0.number < $1.number }
    }

    /// The records of a segment, in order; nil when the file went meanwhile, since everything in it is stored.
    package func records(of segment: SegmentName) throws(FileFailure) -> [InspectedRecord]? {
        guard let contents = try contents(of: segment) else { return nil }
        return contents.scan.frames.map { frame in
            InspectedRecord(
                segment: segment.number, offset: contents.start + frame.begin, bytes: frame.end - frame.begin,
                sequence: frame.sequence, kind: frame.kind, record: frame.record)
        }
    }

    /// Walks all files.
    ///
    /// A writer that goes over to a new file between two of our looks makes the count look broken, so a bad verdict is
    /// checked again before it is believed.
    package func verify() throws(FileFailure) -> JournalVerdict {
        var verdict = try verifyOnce()
        for _ in 0..<2 where !verdict.isIntact { verdict = try verifyOnce() }
        return verdict
    }

    private func verifyOnce() throws(FileFailure) -> JournalVerdict {
        var walk = JournalWalk()
        for segment in try segments() {
            guard let contents = try contents(of: segment) else { continue }
            walk.add(segment, contents)
        }
        return walk.verdict
    }

    private func contents(of segment: SegmentName) throws(FileFailure) -> SegmentContents? {
        do throws(FileFailure) {
            let bytes =
                segment.isSetAside ? try folder.readSetAside(segment.number) : try folder.read(segment.number)
            return SegmentContents(bytes, number: segment.number)
        } catch {
            if error.isMissingFile { return nil }
            throw error
        }
    }
}

/// A file of the journal.
package struct SegmentName: Sendable, Hashable {
    package let number: UInt64
    /// Whether it was put out of the shipper's way because something in it cannot be read.
    package let isSetAside: Bool

    package var file: String { JournalFolder.name(number) + (isSetAside ? ".damaged" : "") }
}

/// A record and where it lies.
package struct InspectedRecord: Sendable {
    package let segment: UInt64
    /// Bytes before it in its file.
    package let offset: Int
    /// With length and checksum.
    package let bytes: Int
    package let sequence: UInt64
    /// Nil for one that this binary does not know.
    package let kind: RecordKind?
    /// Nil when it cannot be read.
    package let record: JournalRecord?
}

/// What a look at the whole journal says.
package struct JournalVerdict: Sendable {
    package let segments: [SegmentVerdict]
    /// Sequence numbers that no file holds, though later ones do.
    package let gaps: [ClosedRange<UInt64>]
    /// Requests that began and have not ended. No damage: they run, or the next start settles them.
    package let openRequests: Int

    package var isIntact: Bool { gaps.isEmpty && !segments.contains(where: \.isDamaged) }
}

/// What a look at one segment says.
package struct SegmentVerdict: Sendable {
    package enum Seal: String, Sendable {
        /// Its last record says what it holds.
        case own
        /// A later segment says it, since a crash ended this one.
        case later
        case none
    }

    package let name: SegmentName
    package let bytes: Int
    package let records: Int
    /// The lowest and the highest sequence; 0 without records.
    package let first, last: UInt64
    package let seal: Seal
    /// Whether a seal says something else than what is there.
    package let isSealWrong: Bool
    /// Whether its header cannot be read.
    package let isHeadless: Bool
    /// Bytes between records that are no record.
    package let damagedBytes: Int
    /// Bytes behind the last record, as a crash in the middle of a write leaves them.
    package let tornBytes: Int
    /// Records of a kind or version that this binary does not know.
    package let unreadable: Int

    package var isDamaged: Bool {
        name.isSetAside || isSealWrong || isHeadless || damagedBytes > 0 || unreadable > 0
            || (tornBytes > 0 && seal != .none) || tornBytes >= RecordFrame.longest
    }
}
