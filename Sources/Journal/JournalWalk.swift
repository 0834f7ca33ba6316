/// Gathers what the segments say about each other, in the order of their numbers.
struct JournalWalk {
    private struct Step {
        let name: SegmentName
        let facts: SegmentFacts
        let holdings: Segment
    }

    private var steps: [Step] = []
    private var seals: [UInt64: SegmentSeal] = [:]
    private var sequences = SequenceRanges()
    private var requests = OpenRequests()

    mutating func add(_ name: SegmentName, _ contents: SegmentContents) {
        var holdings = Segment(number: name.number)
        for frame in contents.scan.frames {
            holdings.note(frame.sequence)
            // What a failed sync had written twice counts once.
            guard sequences.insert(frame.sequence), let record = frame.record else { continue }
            requests.note(record)
            if case .seal(let seal) = record { seals[seal.segment] = seal }
        }
        steps.append(Step(name: name, facts: SegmentFacts(contents), holdings: holdings))
    }

    var verdict: JournalVerdict {
        JournalVerdict(segments: steps.map(verdict), gaps: sequences.gaps, openRequests: requests.count)
    }

    private func verdict(_ step: Step) -> SegmentVerdict {
        let facts = step.facts
        let isOwn = facts.ownSeal != nil
        let seal = facts.ownSeal ?? seals[step.name.number]
        // A file cut short inside its header was never written to.
        let isUnborn = facts.records == 0 && facts.bytes < SegmentHeader.length
        return SegmentVerdict(
            name: step.name, bytes: facts.bytes, records: facts.records, first: step.holdings.first,
            last: step.holdings.last, seal: isOwn ? .own : seal == nil ? .none : .later,
            isSealWrong: seal.map { $0.records != facts.records - (isOwn ? 1 : 0) } ?? false,
            isHeadless: !facts.hasHeader && !isUnborn, damagedBytes: facts.damagedBytes,
            tornBytes: isUnborn ? 0 : facts.tornBytes, unreadable: facts.unreadable)
    }
}

/// What stays of a segment once its records were noted.
private struct SegmentFacts {
    let bytes, records, damagedBytes, tornBytes, unreadable: Int
    let hasHeader: Bool
    let ownSeal: SegmentSeal?

    init(_ contents: SegmentContents) {
        bytes = contents.bytes
        records = contents.scan.frames.count
        damagedBytes = contents.scan.damagedBytes
        tornBytes = contents.bytes - contents.end
        unreadable = contents.scan.frames.count(where: \.isUnreadable)
        hasHeader = contents.header != nil
        ownSeal = contents.seal
    }
}
