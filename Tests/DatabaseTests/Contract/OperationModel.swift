/// What the operations do, without a database.
struct OperationModel {
    private struct Item {
        var amount: Int
        var note: String?
    }

    private struct Rows {
        var items: [Int: Item] = [:]
        var entries: [Int: (item: Int, value: Int)] = [:]
    }

    private enum Refusal: String, Error { case unique, check, foreignKey }

    private var rows = Rows()
    private var met: Set<String> = []

    /// A sequence that never failed in some way proved nothing about that way.
    var hasMetEverything: Bool { met.isSuperset(of: ["unique", "check", "foreignKey", "refused", "done"]) }

    var allRows: [[String]] {
        [
            rows.items.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.amount) \($0.value.note ?? "none")" },
            rows.entries.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.item) \($0.value.value)" },
        ]
    }

    mutating func answer(to body: OperationBody) -> [String] {
        var changed = rows
        var answers: [String] = []
        do {
            for operation in body.operations { answers.append(try Self.apply(operation, &changed)) }
        } catch {
            met.insert(error.rawValue)
            return [error.rawValue]
        }
        met.insert(body.isRefused ? "refused" : "done")
        if body.isRefused { return ["refused"] }
        rows = changed
        return answers
    }

    private static func apply(_ operation: Operation, _ rows: inout Rows) throws(Refusal) -> String {
        switch operation {
        case .insert(let id, let amount, let note):
            guard amount >= 0 else { throw .check }
            let isTaken = note != nil && rows.items.values.contains { $0.note == note }
            guard rows.items[id] == nil, !isTaken else { throw .unique }
            rows.items[id] = Item(amount: amount, note: note)
            return "1"
        case .upsert(let id, let amount):
            rows.items[id, default: Item(amount: 0)].amount += amount
            return "\(id):\(rows.items[id]?.amount ?? 0)"
        case .change(let id, let delta):
            guard let item = rows.items[id] else { return "0" }
            guard item.amount + delta >= 0 else { throw .check }
            rows.items[id]?.amount += delta
            return "1"
        case .spend(let id, let amount):
            guard let item = rows.items[id], item.amount >= amount else { return "" }
            rows.items[id]?.amount -= amount
            return "\(id):\(item.amount - amount)"
        case .remove(let id):
            guard rows.items[id] != nil else { return "0" }
            guard !rows.entries.values.contains(where: { $0.item == id }) else { throw .foreignKey }
            rows.items[id] = nil
            return "1"
        case .addEntry(let id, let item, let value):
            guard rows.entries[id] == nil else { throw .unique }
            guard rows.items[item] != nil else { throw .foreignKey }
            rows.entries[id] = (item, value)
            return "1"
        case .removeEntries(let item):
            let ids = rows.entries.filter { $0.value.item == item }.map(\.key)
            for id in ids { rows.entries[id] = nil }
            return String(ids.count)
        case .sums(let id): return sums(from: id, rows)
        case .notes(let note): return notes(before: note, rows)
        }
    }

    private static func sums(from id: Int, _ rows: Rows) -> String {
        let sums = rows.entries.values.reduce(into: [Int: Int]()) { $0[$1.item, default: 0] += $1.value }
        return sums.filter { $0.key >= id }.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }
            .joined(separator: " ")
    }

    /// By bytes, as identifiers sort.
    private static func notes(before note: String, _ rows: Rows) -> String {
        rows.items.compactMap { id, item in item.note.map { (id: id, amount: item.amount, note: $0) } }
            .filter { $0.note.utf8.lexicographicallyPrecedes(note.utf8) }
            .sorted { $0.note.utf8.lexicographicallyPrecedes($1.note.utf8) }
            .map { "\($0.id):\($0.amount)" }.joined(separator: " ")
    }
}
