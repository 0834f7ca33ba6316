import CPostgres

/// The statements that one connection has prepared, by their text and the types of their arguments. Bounded: the one
/// that was not used for longest makes room.
struct StatementCache {
    private struct Variant {
        let name: String
        let types: [Oid]
        var lastUse: UInt64
    }

    private let capacity: Int
    private var variants: [String: [Variant]] = [:]
    private var count = 0
    private var uses: UInt64 = 0
    private var names: UInt64 = 0

    init(capacity: Int) { self.capacity = max(1, capacity) }

    /// A NULL fits any type, so a statement with optional arguments soon has one variant and not one for each
    /// combination.
    mutating func name(of sql: String, _ types: [Oid]) -> String? {
        guard let index = variants[sql]?.firstIndex(where: { Self.fits(types, $0.types) }) else { return nil }
        uses += 1
        variants[sql]?[index].lastUse = uses
        return variants[sql]?[index].name
    }

    /// The types to prepare a statement with: where an argument is NULL, that of an earlier variant.
    func types(for sql: String, _ types: [Oid]) -> [Oid] {
        (variants[sql] ?? []).reduce(types) { known, variant in
            guard known.count == variant.types.count else { return known }
            return zip(known, variant.types).map { $0 == 0 ? $1 : $0 }
        }
    }

    mutating func nextName() -> String {
        names += 1
        return "v\(names)"
    }

    mutating func add(_ sql: String, _ types: [Oid], name: String) {
        uses += 1
        variants[sql, default: []].append(Variant(name: name, types: types, lastUse: uses))
        count += 1
    }

    /// - Returns: the statement to deallocate before another one is prepared, when there is no place left.
    mutating func evict() -> String? {
        guard count >= capacity else { return nil }
        var oldest: (sql: String, index: Int, use: UInt64)?
        for (sql, all) in variants {
            for (index, variant) in all.enumerated() where variant.lastUse < oldest?.use ?? .max {
                oldest = (sql, index, variant.lastUse)
            }
        }
        guard let oldest, let name = variants[oldest.sql]?.remove(at: oldest.index).name else { return nil }
        if variants[oldest.sql]?.isEmpty == true { variants[oldest.sql] = nil }
        count -= 1
        return name
    }

    mutating func removeAll() {
        variants = [:]
        count = 0
    }

    private static func fits(_ given: [Oid], _ prepared: [Oid]) -> Bool {
        given.count == prepared.count && zip(given, prepared).allSatisfy { $0 == 0 || $0 == $1 }
    }
}
