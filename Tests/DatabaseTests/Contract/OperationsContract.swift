import Database
import Kernel
import TestKit
import Testing

/// A random sequence of operations gives the same answers and the same rows on every engine, and on a model that is a
/// few dictionaries.
@Suite(.serialized) struct OperationsContract {
    private static let steps = 300

    @Test(
        "a random sequence of operations gives the same rows on every engine as on a plain model",
        arguments: DatabaseAdapter.available, [1, 2, 3, 4, 5, 6] as [UInt64])
    func sameRows(adapter: DatabaseAdapter, seed: UInt64) async throws {
        try await adapter.withDatabase(connections: 2) { test in
            try await test.create(
                """
                CREATE TABLE item (id {int64} PRIMARY KEY, amount {int64} NOT NULL CHECK (amount >= 0),
                    note TEXT UNIQUE) {strict}
                """,
                """
                CREATE TABLE entry (id {int64} PRIMARY KEY, item {int64} NOT NULL REFERENCES item (id),
                    value {int64} NOT NULL) {strict}
                """)
            var model = OperationModel()
            var random = OperationSource(seed: seed)
            for step in 0..<Self.steps {
                let body = random.nextBody()
                let expected = model.answer(to: body)
                let found = try await answer(to: body, test.database)
                try #require(found == expected, "seed \(seed), step \(step): \(body)")
            }
            let rows = try await test.database.read(.system, OperationRunner.allRows)
            #expect(rows == model.allRows, "seed \(seed)")
            #expect(model.hasMetEverything, "seed \(seed): the sequence met too little")
        }
    }

    private func answer(to body: OperationBody, _ database: any Database) async throws -> [String] {
        do {
            if body.isGuardedStatement, let operation = body.operations.first {
                let (sql, arguments) = OperationRunner.statement(operation)
                return [OperationRunner.text(try await database.execute(.system, sql, arguments))]
            }
            return try await database.write(.system) { tx in
                let answers = try body.operations.map { try OperationRunner.run($0, tx) }
                if body.isRefused { throw Refused() }
                return answers
            }
        } catch is Refused {
            return ["refused"]
        } catch DatabaseFailure.constraint(let constraint, _) {
            return ["\(constraint)"]
        }
    }

    private struct Refused: Error {}
}

enum Operation: Sendable {
    case insert(id: Int, amount: Int, note: String?)
    case upsert(id: Int, amount: Int)
    case change(id: Int, by: Int)
    case spend(id: Int, amount: Int)
    case remove(id: Int)
    case addEntry(id: Int, item: Int, value: Int)
    case removeEntries(item: Int)
    case sums(from: Int)
    case notes(before: String)
}

struct OperationBody: Sendable {
    var operations: [Operation]
    /// Throws after the last operation.
    var isRefused = false
    var isGuardedStatement = false
}

/// The same bodies for the same seed.
struct OperationSource {
    private let random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    private func below(_ bound: Int) -> Int { Int(random.next(below: UInt64(bound))) }

    mutating func nextBody() -> OperationBody {
        if below(5) == 0 {
            return OperationBody(
                operations: [.spend(id: below(10), amount: below(30))], isGuardedStatement: true)
        }
        let operations = (0...below(3)).map { _ in nextOperation() }
        return OperationBody(operations: operations, isRefused: below(8) == 0)
    }

    private func nextOperation() -> Operation {
        let words = ["a", "B", "ä", "z", "~", "", "10", "9", "Z", "🦢"]
        switch below(12) {
        case 0, 1: return .insert(id: below(10), amount: below(60) - 5, note: below(2) == 0 ? nil : words[below(10)])
        case 2: return .upsert(id: below(10), amount: below(20))
        case 3, 4: return .change(id: below(10), by: below(60) - 30)
        case 5: return .spend(id: below(10), amount: below(40))
        case 6: return .remove(id: below(10))
        case 7, 8: return .addEntry(id: below(40), item: below(12), value: below(100) - 50)
        case 9: return .removeEntries(item: below(10))
        case 10: return .sums(from: below(10))
        default: return .notes(before: words[below(10)])
        }
    }
}

enum OperationRunner {
    static func statement(_ operation: Operation) -> (String, [any SQLRepresentable]) {
        switch operation {
        case .insert(let id, let amount, let note): ("INSERT INTO item VALUES ($1, $2, $3)", [id, amount, note])
        case .upsert(let id, let amount):
            (
                """
                INSERT INTO item (id, amount) VALUES ($1, $2)
                ON CONFLICT (id) DO UPDATE SET amount = item.amount + excluded.amount RETURNING id, amount
                """, [id, amount]
            )
        case .change(let id, let delta): ("UPDATE item SET amount = amount + $2 WHERE id = $1", [id, delta])
        case .spend(let id, let amount):
            (
                "UPDATE item SET amount = amount - $2 WHERE id = $1 AND amount >= $2 RETURNING id, amount",
                [id, amount]
            )
        case .remove(let id): ("DELETE FROM item WHERE id = $1", [id])
        case .addEntry(let id, let item, let value): ("INSERT INTO entry VALUES ($1, $2, $3)", [id, item, value])
        case .removeEntries(let item): ("DELETE FROM entry WHERE item = $1", [item])
        case .sums(let id):
            (
                """
                SELECT item.id AS id, SUM(entry.value) AS amount FROM item JOIN entry ON entry.item = item.id
                WHERE item.id >= $1 GROUP BY item.id ORDER BY item.id
                """, [id]
            )
        case .notes(let note): ("SELECT id, amount FROM item WHERE note < $1 ORDER BY note", [note])
        }
    }

    static func run(_ operation: Operation, _ tx: any Tx) throws -> String {
        let (sql, arguments) = statement(operation)
        switch operation {
        case .insert, .change, .remove, .addEntry, .removeEntries: return String(try tx.run(sql, arguments))
        case .upsert, .spend, .sums, .notes: return text(try tx.rows(sql, arguments))
        }
    }

    static func text(_ rows: [Row]) -> String {
        rows.map { row in
            let id = (try? row.value("id", as: Int.self)) ?? Int.min
            let amount = (try? row.value("amount", as: Int.self)) ?? Int.min
            return "\(id):\(amount)"
        }.joined(separator: " ")
    }

    static func allRows(_ tx: any Tx) throws -> [[String]] {
        let items = try tx.rows("SELECT * FROM item ORDER BY id").map { row in
            let note: String? = try row.value("note")
            return try "\(row.value("id", as: Int.self)) \(row.value("amount", as: Int.self)) \(note ?? "none")"
        }
        let entries = try tx.rows("SELECT * FROM entry ORDER BY id").map { row in
            let numbers: [Int] = [try row.value("id"), try row.value("item"), try row.value("value")]
            return numbers.map { String($0) }.joined(separator: " ")
        }
        return [items, entries]
    }
}
