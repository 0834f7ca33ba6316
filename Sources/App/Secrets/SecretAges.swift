import Inference
import Kernel
import Metrics
import Synchronization
import Tenancy

/// How long secrets have been in use, by the names that people know them by.
final class SecretAges: Sendable {
    static let longest = SecretFacts.longestUse

    private let providers: any ProviderStore
    private let secrets: any SecretStore
    private let clock: any Kernel.Clock
    /// Names that the metric had before.
    private let named = Mutex<Set<String>>([])

    init(providers: any ProviderStore, secrets: any SecretStore, clock: any Kernel.Clock) {
        self.providers = providers
        self.secrets = secrets
        self.clock = clock
    }

    func all() async throws -> [Sealing.Secret] {
        let names = Dictionary(
            try await providers.all().map { ($0.secretName, $0.name) }, uniquingKeysWith: { first, _ in first })
        let now = clock.now
        return try await secrets.list().map { facts in
            Sealing.Secret(name: names[facts.name] ?? facts.name, age: now - facts.stored)
        }
    }

    /// Sets `volery_secret_age_seconds`. One that is gone has no age.
    func record() async throws {
        let ages = try await all()
        let gone = named.withLock { named in
            let now = Set(ages.map(\.name))
            defer { named = now }
            return named.subtracting(now)
        }
        for secret in ages { Self.gauge(secret.name).record(secret.age.seconds) }
        for name in gone { Self.gauge(name).record(0) }
    }

    var chore: Housekeeping.Chore {
        Housekeeping.Chore(name: "secret ages", interval: .seconds(60)) { [self] in
            try await record()
            return false
        }
    }

    private static func gauge(_ name: String) -> Gauge {
        Gauge(label: "volery_secret_age_seconds", dimensions: [("name", name)])
    }
}
