/// A table of which nearly always the same few entries are asked for: those are compared in turn, which takes less than
/// to hash a key of texts.
struct ShortTable<Key: Hashable, Value: AnyObject> {
    private static var mostRecent: Int { 8 }

    private var all: [Key: Value] = [:]
    /// Some entries of the table: the first that were asked for, and the one asked for last beyond them.
    private var recent: [(key: Key, value: Value)] = []

    var values: Dictionary<Key, Value>.Values { all.values }

    mutating func value(for key: Key) -> Value? {
        for entry in recent where entry.key == key { return entry.value }
        guard let value = all[key] else { return nil }
        if recent.count == Self.mostRecent { recent.removeLast() }
        recent.append((key, value))
        return value
    }

    mutating func insert(_ value: Value, for key: Key) {
        remove(key)
        all[key] = value
    }

    mutating func remove(_ key: Key) {
        recent.removeAll { $0.key == key }
        all[key] = nil
    }
}
