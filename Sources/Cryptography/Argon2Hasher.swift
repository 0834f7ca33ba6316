package import Kernel
import Tenancy

/// argon2id on a few threads of its own, so that hashing stalls neither an event loop nor a task.
package final class Argon2Hasher: SecretHasher {
    package struct Limits: Sendable {
        /// Hashes that run at once; each holds the parameters' memory.
        package var threads = 2
        /// Hashes that may wait.
        package var waiting = 64

        package init() {}
    }

    private let parameters: Argon2Parameters
    private let random: any RandomSource
    private let workers: WorkerThreads

    package init(
        random: any RandomSource, parameters: Argon2Parameters = Argon2Parameters(), limits: Limits = Limits()
    ) {
        self.random = random
        self.parameters = parameters
        workers = WorkerThreads(count: limits.threads, waiting: limits.waiting)
    }

    package func hash(_ secret: Secret) async throws -> String {
        let (salt, parameters) = (random.bytes(16), parameters)
        return try await running { () throws(Argon2.Failure) in
            try Argon2.hash(secret, salt: salt, parameters: parameters)
        }
    }

    package func verify(_ secret: Secret, against hash: String) async throws -> Bool {
        try await running { () throws(Argon2.Failure) in try Argon2.verify(secret, against: hash) }
    }

    private func running<T: Sendable>(
        _ work: @escaping @Sendable () throws(Argon2.Failure) -> T
    ) async throws -> T {
        do {
            return try await workers.run(work)
        } catch WorkerThreads.Refusal.full {
            throw Problem(.overloaded, "Too many keys are being checked for the first time.", retryAfter: 1)
        } catch is Argon2.Failure {
            // A stored hash that cannot be read, or no memory. Neither is the caller's doing.
            throw Problem(.internalError)
        }
    }
}
