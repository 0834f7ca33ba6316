import Database
import Inference
import Kernel

/// The decisions that a settlement brings: those of one workspace and one second share a row. Rows of their own would
/// be two insertions into trees for each request, and a third of what is written for it.
struct RouteBatches: Sendable {
    private static let inserting = RowsStatement(
        "INSERT INTO routing_batch (second, workspace_id, first_request, last_request, decisions)", columns: 5,
        " ON CONFLICT (second, workspace_id, first_request) DO NOTHING")
    /// A row that has as many bytes takes no further decision.
    private static let enough = 128 << 10
    /// Rows that go in one transaction: of that size they are some megabytes.
    private static let mostPruned = 64

    private struct Batch {
        let second: Int64
        let workspace: WorkspaceID
        let first: RequestID
        var last: RequestID
        var decisions = RouteBatchCoding.empty
    }

    private var batches: [Batch] = []
    /// Of the latest second: each workspace's last batch.
    private var open: [WorkspaceID: Int] = [:]

    /// Decisions are added in the order of their requests' identifiers.
    mutating func add(_ route: borrowing StoredRoute) {
        let second = route.request.second
        if let last = batches.last, last.second != second { open.removeAll(keepingCapacity: true) }
        if let place = open[route.workspace], batches[place].decisions.count < Self.enough {
            batches[place].last = route.request
            return RouteBatchCoding.append(route, to: &batches[place].decisions)
        }
        open[route.workspace] = batches.count
        var batch = Batch(second: second, workspace: route.workspace, first: route.request, last: route.request)
        RouteBatchCoding.append(route, to: &batch.decisions)
        batches.append(batch)
    }

    func insert(_ tx: any Tx) throws {
        if batches.isEmpty { return }
        let bytes = batches.reduce(0) { $0 + $1.decisions.count }
        var rows = Self.inserting.block(
            rows: batches.count, rowBytes: bytes / batches.count + 3 * RequestID.length)
        for batch in batches {
            rows.add(batch.second)
            rows.add(batch.workspace)
            rows.add(batch.first)
            rows.add(batch.last)
            rows.add(batch.decisions)
        }
        try tx.run(Self.inserting, rows)
    }

    /// Its usage row says whose it is: no other workspace's decisions are looked at.
    static func route(of request: RequestID, _ tx: any Tx) throws -> StoredRoute? {
        let rows = try tx.rows(
            """
            SELECT workspace_id, decisions FROM routing_batch
            WHERE second = $1 AND workspace_id = (SELECT workspace_id FROM usage WHERE request_id = $2)
                AND first_request <= $2 AND last_request >= $2
            """, [request.second, request])
        for row in rows {
            let decisions = try row.value("decisions", as: Bytes.self).bytes
            let workspace: WorkspaceID = try row.value("workspace_id")
            if let found = try RouteBatchCoding.route(of: request, in: workspace, decisions) { return found }
        }
        return nil
    }

    /// - Returns: how many rows went.
    static func prune(before: Instant, limit: Int, _ tx: any Tx) throws -> Int {
        try tx.run(
            """
            DELETE FROM routing_batch WHERE (second, workspace_id, first_request) IN (
                SELECT second, workspace_id, first_request FROM routing_batch WHERE second < $1
                ORDER BY second, workspace_id, first_request LIMIT $2)
            """, [RequestID.earliest(at: before).second, min(limit, mostPruned)])
    }
}

/// Decisions of one row, one after the other; numbers are little-endian.
///
/// | part    | bytes                                                                 |
/// |---------|-----------------------------------------------------------------------|
/// | version | 1: of the whole row                                                   |
/// | request | 16: the first part of a decision                                      |
/// | key     | 1, and 16 where the request had a key                                 |
/// | accepted| 8: microseconds since 1970                                            |
/// | record  | 4 for its length, and its bytes                                       |
enum RouteBatchCoding {
    static let version: UInt8 = 1
    static let empty: [UInt8] = [version]

    static func append(_ route: borrowing StoredRoute, to bytes: inout [UInt8]) {
        append(route.request.ulid, to: &bytes)
        bytes.append(route.key == nil ? 0 : 1)
        if let key = route.key { append(key.ulid, to: &bytes) }
        append(UInt64(bitPattern: route.accepted.microseconds), to: &bytes)
        append(UInt32(route.record.count), to: &bytes)
        bytes.append(contentsOf: route.record)
    }

    /// - Throws: `DatabaseFailure.corrupt` where the bytes end early or are of another version.
    static func route(of request: RequestID, in workspace: WorkspaceID, _ bytes: [UInt8]) throws -> StoredRoute? {
        var rest = bytes[...]
        guard rest.popFirst() == version else { throw corrupt }
        while !rest.isEmpty {
            let found = RequestID(try ulid(&rest))
            let key = try byte(&rest) == 0 ? nil : KeyID(try ulid(&rest))
            let accepted = Instant(microseconds: Int64(bitPattern: try number(&rest)))
            let length = Int(try number(&rest) as UInt32)
            guard length <= rest.count else { throw corrupt }
            let record = rest.prefix(length)
            rest = rest.dropFirst(length)
            guard found == request else { continue }
            return StoredRoute(
                request: request, workspace: workspace, key: key, accepted: accepted, record: Array(record))
        }
        return nil
    }

    private static var corrupt: DatabaseFailure { .corrupt("routing_batch.decisions is no list of decisions") }

    private static func append(_ ulid: ULID, to bytes: inout [UInt8]) {
        append(ulid.high, to: &bytes)
        append(ulid.low, to: &bytes)
    }

    private static func append<Number: FixedWidthInteger>(_ number: Number, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private static func ulid(_ rest: inout ArraySlice<UInt8>) throws -> ULID {
        let high: UInt64 = try number(&rest)
        return ULID(high: high, low: try number(&rest))
    }

    private static func byte(_ rest: inout ArraySlice<UInt8>) throws -> UInt8 { try number(&rest) }

    private static func number<Number: FixedWidthInteger>(_ rest: inout ArraySlice<UInt8>) throws -> Number {
        let size = MemoryLayout<Number>.size
        guard rest.count >= size else { throw corrupt }
        defer { rest = rest.dropFirst(size) }
        return rest.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(as: Number.self)) }
    }
}

extension RequestID {
    /// Every request of an earlier time has a lesser identifier.
    static func earliest(at time: Instant) -> RequestID {
        RequestID(ULID(milliseconds: UInt64(max(0, time.microseconds / 1000)), random: (0, 0)))
    }

    /// Since 1970, in which it was made.
    fileprivate var second: Int64 { Int64(ulid.milliseconds / 1000) }
}
