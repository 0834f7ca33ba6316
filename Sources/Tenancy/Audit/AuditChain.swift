import Kernel

/// How the events of a chain hold together: each seal covers the seal before, the place in the chain, and the whole
/// entry.
package enum AuditChain {
    /// What the seal before the first event is taken to be.
    package static let beginning = [UInt8](repeating: 0, count: 32)

    /// The next event of a chain.
    /// - Parameters:
    ///   - sequence: its place, from 1.
    ///   - previous: the seal of the event before; `beginning` for the first.
    package static func event(
        _ entry: AuditEntry, sequence: Int64, previous: [UInt8], sealer: any AuditSealer
    ) -> AuditEvent {
        let seal = sealer.seal(bytes(of: entry, sequence: sequence, previous: previous))
        return AuditEvent(entry: entry, sequence: sequence, previous: previous, seal: seal)
    }

    /// What is sealed. No two different events have the same bytes: every field is there, in a fixed order, with its
    /// length before it, and an absent one differs from an empty one. The first byte is the version of this form.
    package static func bytes(of entry: AuditEntry, sequence: Int64, previous: [UInt8]) -> [UInt8] {
        var form = CanonicalForm(version: 1)
        form.add(previous)
        form.add(sequence)
        form.add(entry.id.description)
        form.add(entry.tenant?.description)
        form.add(entry.workspace?.description)
        form.add(entry.at.microseconds)
        form.add(entry.actor)
        form.add(entry.action)
        form.add(entry.subject)
        form.add(entry.address?.bytes)
        form.add(entry.request?.description)
        form.add(entry.outcome.text)
        // Sorted by bytes: a dictionary has no order, and text compares by what it looks like.
        let details = entry.details.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        form.add(Int64(details.count))
        for (name, value) in details {
            form.add(name)
            form.add(value)
        }
        return form.bytes
    }
}
