package import Kernel
import Synchronization
package import Tenancy

/// Idempotency records in memory.
package final class MemoryIdempotencyStore: IdempotencyStore {
    private struct Record {
        var fingerprint: [UInt8]
        var epoch: Int64
        var lease: Instant?
        var answer: StoredAnswer?
        var ends: Instant
    }

    private let records = Mutex<[IdempotencyKey: Record]>([:])
    private let clock: any Clock

    /// - Parameter clock: the database's.
    package init(clock: any Clock) { self.clock = clock }

    package func claim(
        _ key: IdempotencyKey, fingerprint: [UInt8], leaseFor duration: Duration
    ) async throws -> IdempotencyClaim {
        let now = clock.now
        return records.withLock { records in
            if let record = records[key], record.ends > now, record.lease != nil || record.answer != nil {
                guard record.fingerprint == fingerprint else { return .conflict }
                if let answer = record.answer { return .answered(answer) }
                if let lease = record.lease, now < lease { return .running }
            }
            let epoch = (records[key]?.epoch ?? 0) + 1
            let expires = now + duration
            records[key] = Record(
                fingerprint: fingerprint, epoch: epoch, lease: expires, ends: expires + IdempotencyKey.lifetime)
            return .granted(IdempotencyLease(key: key, epoch: epoch, expires: expires))
        }
    }

    package func renew(_ lease: IdempotencyLease, for duration: Duration) async throws -> IdempotencyLease? {
        let expires = clock.now + duration
        return records.withLock { records in
            guard var record = records[lease.key], record.epoch == lease.epoch, record.lease != nil else { return nil }
            record.lease = expires
            record.ends = expires + IdempotencyKey.lifetime
            records[lease.key] = record
            return IdempotencyLease(key: lease.key, epoch: lease.epoch, expires: expires)
        }
    }

    package func complete(_ lease: IdempotencyLease, with answer: StoredAnswer) async throws -> Bool {
        let ends = clock.now + IdempotencyKey.lifetime
        return records.withLock { records in
            guard var record = records[lease.key], record.epoch == lease.epoch else { return false }
            guard record.lease != nil else { return record.answer != nil }
            record.lease = nil
            record.answer = answer
            record.ends = ends
            records[lease.key] = record
            return true
        }
    }

    package func release(_ lease: IdempotencyLease) async throws {
        records.withLock { records in
            guard let record = records[lease.key], record.epoch == lease.epoch, record.answer == nil else { return }
            records[lease.key]?.lease = nil
        }
    }

    package func prune(limit: Int) async throws -> Int {
        let now = clock.now
        return records.withLock { records in
            let old = records.filter { $0.value.ends <= now }.keys.prefix(limit)
            for key in old { records[key] = nil }
            return old.count
        }
    }
}
