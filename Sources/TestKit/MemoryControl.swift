package import Inference
package import Kernel
import Synchronization
package import Tenancy

/// Outside providers in memory.
package final class MemoryProviderStore: ProviderStore {
    private let providers = Mutex<[Provider]>([])

    package init() {}

    package func insert(_ provider: Provider) async throws {
        try providers.withLock { providers in
            guard !providers.contains(where: { $0.name == provider.name }) else { throw Problem(.alreadyExists) }
            providers.append(provider)
        }
    }

    package func all() async throws -> [Provider] { providers.withLock { $0.sorted { $0.name < $1.name } } }

    package func remove(_ id: ProviderID) async throws -> Provider? {
        providers.withLock { providers in
            providers.firstIndex { $0.id == id }.map { providers.remove(at: $0) }
        }
    }
}

/// Secrets in memory, in the clear.
package final class MemorySecretStore: SecretStore {
    private let kept = Mutex<[String: (secret: Secret, stored: Instant)]>([:])

    package init() {}

    package func put(_ secret: Secret, named name: String, at now: Instant) async throws {
        kept.withLock { $0[name] = (secret, now) }
    }

    package func secret(named name: String) async throws -> Secret? { kept.withLock { $0[name]?.secret } }

    package func list() async throws -> [SecretFacts] {
        kept.withLock { kept in
            kept.map { SecretFacts(name: $0.key, stored: $0.value.stored) }.sorted { $0.name < $1.name }
        }
    }

    package func remove(named name: String) async throws { kept.withLock { $0[name] = nil } }

    package func reseal() async throws -> Int { kept.withLock { $0.count } }
}

/// Writes the purpose in front of what it "seals", and asks for it again.
package struct PlainBox: Sealer {
    package init() {}

    package func seal(_ bytes: [UInt8], for purpose: String) throws -> [UInt8] { Array(purpose.utf8) + [0] + bytes }

    package func open(_ sealed: [UInt8], for purpose: String) throws -> [UInt8] {
        let head = Array(purpose.utf8) + [0]
        guard sealed.starts(with: head) else { throw Problem(.configurationInvalid) }
        return Array(sealed.dropFirst(head.count))
    }
}

/// One-time codes that anybody can work out: the step's last six digits.
package struct PlainCodes: OneTimeCodes {
    package init() {}

    package func newSecret() -> Secret { Secret("JBSWY3DPEHPK3PXP") }

    package func uri(_ secret: Secret, account: String, issuer: String) -> Secret {
        Secret("otpauth://totp/\(issuer):\(account)?secret=\(secret.reveal())")
    }

    package func step(of code: String, secret: Secret, at now: Instant) -> Int64? {
        let step = now.seconds / 30
        return (step - 1...step + 1).first { code == Self.code(of: $0) }
    }

    /// The code of a step.
    package static func code(of step: Int64) -> String {
        let digits = String(step % 1_000_000)
        return String(repeating: "0", count: 6 - digits.count) + digits
    }
}

/// A session's token itself, in the place of its digest.
package struct PlainSessionDigest: SessionDigest {
    package init() {}

    package func digest(of token: SessionToken) -> [UInt8] { Array(token.text.reveal().utf8) }
}

/// Anchors in memory.
package final class MemoryAnchors: AuditAnchors {
    private let heads = Mutex<[TenantID?: AuditHead]>([:])

    package init() {}

    package func anchor(_ new: [AuditHead]) async throws {
        heads.withLock { heads in
            for head in new where head.sequence > heads[head.tenant]?.sequence ?? 0 { heads[head.tenant] = head }
        }
    }

    package func all() async throws -> [AuditHead] { heads.withLock { Array($0.values) } }

    package func complaints() async throws -> [String] { [] }
}

/// Says what the access rules were asked, beside asking them.
package final class RecordingAccess: AccessDecider {
    private let asked = Mutex<[Permission]>([])
    private let rules = BuiltInAccess()

    package init() {}

    package func decide(
        _ principal: Principal, _ action: Permission, on resource: Resource, in context: AccessContext
    ) -> AccessDecision {
        asked.withLock { $0.append(action) }
        return rules.decide(principal, action, on: resource, in: context)
    }

    /// What was asked since the last call.
    package func take() -> [Permission] {
        asked.withLock { asked in
            defer { asked = [] }
            return asked
        }
    }
}

/// Not SHA-256: only different for different requests.
package struct PlainRequestDigest: RequestDigest {
    package init() {}

    package func digest(target: String, body: UnsafeRawBufferPointer) -> [UInt8] {
        Array(target.utf8) + [0] + Array(body)
    }
}
