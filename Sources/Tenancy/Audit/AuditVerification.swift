import Kernel

/// What is wrong with one stretch of a chain.
package struct AuditFault: Sendable, Hashable {
    package enum Kind: String, Sendable, CaseIterable {
        /// The event is not the one that was sealed.
        case changed
        /// Events in the middle are gone.
        case missing
        /// The event was sealed for another place.
        case reordered
        /// The chain ends before an event that is known to have been there.
        case truncated
        /// Another event stands where a known one was.
        case replaced
        /// What is known from outside the database is itself gone or damaged, so that a cut tail may go unnoticed.
        case unanchored
    }

    package let kind: Kind
    /// The first and the last of the stretch.
    package let sequences: ClosedRange<Int64>
    package let message: String
}

/// Recomputes one chain, event by event: pure, and in memory that does not grow with the chain.
///
/// An event that was changed breaks its own seal only: the events after it still follow on the seal that is kept in it.
/// So each damage is told where it is.
package struct AuditVerification {
    /// Faults beyond these are counted, not kept.
    package static let mostFaults = 100
    /// Broken events whose right place is looked for; each is tried in the places of all others.
    private static let mostMoved = 64

    private let anchor: AuditHead?
    private let head: AuditHead?
    private let sealer: any AuditSealer
    private var last: Int64
    /// Nil when it is not known, or when the event there is not the one that was sealed.
    private var lastSeal: [UInt8]?
    private var broken: [AuditEvent] = []
    private var faults: [AuditFault] = []
    private var unkept = 0
    /// Events that were looked at.
    package private(set) var events: Int64 = 0

    /// - Parameters:
    ///   - anchor: the last event that is known from outside the database.
    ///   - head: the last event as the database's own table of heads has it, read before the first event.
    ///   - start: the first event that will be taken; what is before it is not looked at.
    package init(anchor: AuditHead?, head: AuditHead?, sealer: any AuditSealer, start: Int64 = 1) {
        self.anchor = anchor
        self.head = head
        self.sealer = sealer
        last = start - 1
        lastSeal = start == 1 ? AuditChain.beginning : nil
    }

    /// The chain's events, oldest first.
    package mutating func take(_ event: AuditEvent) {
        events += 1
        let sequence = event.sequence
        guard sequence > last else {
            return add(.reordered, sequence...sequence, "there is more than one event \(sequence)")
        }
        let isNext = sequence == last + 1
        if !isNext { add(.missing, (last + 1)...(sequence - 1), "\(Self.words(last + 1, sequence - 1)) missing") }
        let holds = Self.holds(event.entry, event.seal, at: sequence, after: event.previous, sealer)
        if !holds {
            note(event)
        } else if isNext, let lastSeal, lastSeal != event.previous {
            add(
                .replaced, last...last,
                "event \(sequence) was sealed after another event \(last) than the one that is there")
        }
        if sequence == anchor?.sequence, event.seal != anchor?.seal {
            add(.replaced, sequence...sequence, "event \(sequence) is not the one that was anchored")
        } else if sequence == head?.sequence, event.seal != head?.seal {
            add(.replaced, sequence...sequence, "event \(sequence) is not the one that the chain's head names")
        }
        last = sequence
        lastSeal = holds ? event.seal : nil
    }

    /// After the last event.
    /// - Returns: by place, at most `mostFaults`.
    package mutating func finish() -> [AuditFault] {
        if let anchor, anchor.sequence > last {
            add(
                .truncated, (last + 1)...anchor.sequence,
                "\(Self.words(last + 1, anchor.sequence)) gone: the chain was anchored at event \(anchor.sequence)")
        } else if let head, head.sequence > last {
            add(
                .truncated, (last + 1)...head.sequence,
                "\(Self.words(last + 1, head.sequence)) gone: the chain's head names event \(head.sequence)")
        }
        for event in broken { add(judged(event)) }
        broken = []
        faults = Self.joined(faults.sorted { $0.sequences.lowerBound < $1.sequences.lowerBound })
        if unkept > 0, let end = faults.last {
            faults.append(
                AuditFault(
                    kind: .changed, sequences: end.sequences.upperBound...max(end.sequences.upperBound, last),
                    message: "\(unkept) more events do not hold"))
        }
        return Array(faults.prefix(Self.mostFaults))
    }

    private mutating func note(_ event: AuditEvent) {
        if broken.count < Self.mostMoved { return broken.append(event) }
        add(Self.changed(event))
    }

    /// Where the event, or what it tells, belongs, if that is one of the broken places.
    private func judged(_ event: AuditEvent) -> AuditFault {
        let place = event.sequence
        for other in Set(broken.map(\.sequence) + [place - 1, place + 1]).sorted() where other != place && other > 0 {
            if Self.holds(event.entry, event.seal, at: other, after: event.previous, sealer) {
                return moved(place, from: other)
            }
        }
        // Only what the event tells was moved; place and seals were left.
        for other in broken where other.sequence != place {
            if Self.holds(other.entry, event.seal, at: place, after: event.previous, sealer) {
                return moved(place, from: nil)
            }
        }
        return Self.changed(event)
    }

    private func moved(_ place: Int64, from other: Int64?) -> AuditFault {
        let origin = other.map { "was sealed as event \($0)" } ?? "was exchanged with another event"
        return AuditFault(kind: .reordered, sequences: place...place, message: "event \(place) \(origin)")
    }

    private static func changed(_ event: AuditEvent) -> AuditFault {
        AuditFault(
            kind: .changed, sequences: event.sequence...event.sequence,
            message: "event \(event.sequence) is not what was sealed")
    }

    private mutating func add(_ kind: AuditFault.Kind, _ sequences: ClosedRange<Int64>, _ message: String) {
        add(AuditFault(kind: kind, sequences: sequences, message: message))
    }

    private mutating func add(_ fault: AuditFault) {
        if fault.kind == .changed, let end = faults.last, end.kind == .changed,
            end.sequences.upperBound + 1 == fault.sequences.lowerBound
        {
            faults[faults.count - 1] = Self.union(end, fault)
        } else if faults.count < Self.mostFaults * 2 {
            faults.append(fault)
        } else {
            unkept += 1
        }
    }

    /// One fault for neighbours that were changed: a whole chain that was made anew is one finding.
    private static func joined(_ faults: [AuditFault]) -> [AuditFault] {
        faults.reduce(into: []) { joined, fault in
            if let end = joined.last, end.kind == .changed, fault.kind == .changed,
                fault.sequences.lowerBound <= end.sequences.upperBound + 1
            {
                joined[joined.count - 1] = union(end, fault)
            } else {
                joined.append(fault)
            }
        }
    }

    private static func union(_ first: AuditFault, _ second: AuditFault) -> AuditFault {
        let end = max(first.sequences.upperBound, second.sequences.upperBound)
        let sequences = first.sequences.lowerBound...end
        return AuditFault(
            kind: .changed, sequences: sequences,
            message: "events \(sequences.lowerBound) to \(end) are not what was sealed")
    }

    private static func words(_ first: Int64, _ last: Int64) -> String {
        first == last ? "event \(first) is" : "events \(first) to \(last) are"
    }

    private static func holds(
        _ entry: AuditEntry, _ seal: [UInt8], at sequence: Int64, after previous: [UInt8], _ sealer: any AuditSealer
    ) -> Bool {
        constantTimeEqual(
            sealer.seal(AuditChain.bytes(of: entry, sequence: sequence, previous: previous)), seal)
    }
}
