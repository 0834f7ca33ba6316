import Kernel

/// How many places are remembered. A power of two.
private let recentSlots = 256

/// Values by their identifiers, one behind the other. Every request asks for a few that others ask for as well: what
/// was asked for lately is found by a comparison, and only the rest by a hash.
///
/// A place is good until the next removal, which puts the last value where the removed one was.
struct PlacedTable<Kind: IDKind, Value: Sendable>: Sendable {
    struct Entry: Sendable {
        let id: ID<Kind>
        var value: Value
    }

    private(set) var entries: [Entry] = []
    private var places: [ID<Kind>: Int] = [:]
    /// Where something was found last, by the end of its identifier. It may have moved since, and another one be there.
    private var recent = [UInt32](repeating: 0, count: recentSlots)

    var count: Int { entries.count }

    subscript(place: Int) -> Value {
        get { entries[place].value }
        _modify { yield &entries[place].value }
    }

    subscript(id: ID<Kind>) -> Value? {
        get { (recentPlace(of: id) ?? places[id]).map { entries[$0].value } }
        set {
            switch (place(of: id), newValue) {
            case (let place?, let value?): entries[place].value = value
            case (let place?, nil): remove(at: place)
            case (nil, let value?): add(value, as: id)
            case (nil, nil): break
            }
        }
    }

    /// Where it is; nil where there is none.
    mutating func place(of id: ID<Kind>) -> Int? {
        if let place = recentPlace(of: id) { return place }
        guard let place = places[id] else { return nil }
        remember(place, of: id)
        return place
    }

    /// - Parameter id: of one that is not here.
    /// - Returns: where it is now.
    @discardableResult
    mutating func add(_ value: Value, as id: ID<Kind>) -> Int {
        let place = entries.count
        let known = places.updateValue(place, forKey: id)
        precondition(known == nil, "it is here already")
        entries.append(Entry(id: id, value: value))
        remember(place, of: id)
        return place
    }

    mutating func remove(at place: Int) {
        places[entries[place].id] = nil
        let last = entries.removeLast()
        guard place < entries.count else { return }
        entries[place] = last
        places[last.id] = place
    }

    mutating func removeAll() {
        entries.removeAll()
        places.removeAll()
    }

    private func recentPlace(of id: ID<Kind>) -> Int? {
        let place = Int(recent[Self.slot(of: id)])
        return place < entries.count && entries[place].id == id ? place : nil
    }

    private mutating func remember(_ place: Int, of id: ID<Kind>) {
        recent[Self.slot(of: id)] = UInt32(truncatingIfNeeded: place)
    }

    private static func slot(of id: ID<Kind>) -> Int { Int(truncatingIfNeeded: id.ulid.low) & (recentSlots - 1) }
}
