package import Inference
import Kernel
import Synchronization
package import Tenancy

/// Where no provider is registered.
package final class NoCredentials: UpstreamCredentials {
    package init() {}

    package func credential(for deployment: Deployment) -> UpstreamCredential? { nil }
}

/// The providers' keys in memory, by the place that each may be sent to.
package final class ProviderCredentials: UpstreamCredentials {
    private struct Credential {
        let scheme: Endpoint.Scheme
        let host: String
        let port: Int
        /// By the protocol of the deployment: some providers have addresses for more than one.
        let values: [WireProtocol: UpstreamCredential]

        func belongs(to endpoint: Endpoint) -> Bool {
            scheme == endpoint.scheme && host == endpoint.host && port == endpoint.port
        }
    }

    private struct State {
        var credentials: [ProviderID: Credential] = [:]
        var begun = 0
        var applied = 0
    }

    private let providers: any ProviderStore
    private let secrets: any SecretStore
    private let state = Mutex(State())

    package init(providers: any ProviderStore, secrets: any SecretStore) {
        self.providers = providers
        self.secrets = secrets
    }

    /// Also compares the place: a deployment may have been stored before its provider was another.
    package func credential(for deployment: Deployment) -> UpstreamCredential? {
        guard let provider = deployment.provider else { return nil }
        guard let credential = state.withLock({ $0.credentials[provider] }),
            credential.belongs(to: deployment.endpoint)
        else { return nil }
        return credential.values[deployment.wire]
    }

    /// Reads all providers and their keys. When two run at once, the result of the one that began later stays.
    /// - Returns: names of providers whose key cannot be read or sent, which are called without one.
    /// - Throws: the store's `Problem`; what was known before stays then.
    package func refresh() async throws -> [String] {
        let version = state.withLock { state in
            state.begun += 1
            return state.begun
        }
        var credentials: [ProviderID: Credential] = [:]
        var refused: [String] = []
        for provider in try await providers.all() {
            do {
                guard let secret = try await secrets.secret(named: provider.secretName) else { continue }
                guard Self.maySend(secret, to: provider.endpoint) else {
                    refused.append(provider.name)
                    continue
                }
                credentials[provider.id] = Credential(
                    scheme: provider.endpoint.scheme, host: provider.endpoint.host, port: provider.endpoint.port,
                    values: Dictionary(
                        uniqueKeysWithValues: WireProtocol.allCases.map {
                            ($0, UpstreamCredential(secret, over: $0, terms: KnownProviders.terms(of: provider.name)))
                        }))
            } catch let problem as Problem where problem.code == .configurationInvalid {
                // Sealed under another master key. The others' keys are good.
                refused.append(provider.name)
            }
        }
        state.withLock { state in
            guard version > state.applied else { return }
            state.applied = version
            state.credentials = credentials
        }
        return refused
    }

    /// Never over a network that others can read, and nothing that would break out of its header.
    private static func maySend(_ secret: Secret, to endpoint: Endpoint) -> Bool {
        guard !secret.reveal().isEmpty, secret.reveal().utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return false
        }
        switch endpoint.scheme {
        case .https: return true
        case .http: return endpoint.isOnThisMachine
        case .builtIn: return false
        }
    }
}

extension Endpoint {
    /// Whether calls to it stay on this machine.
    package var isOnThisMachine: Bool {
        if scheme == .builtIn || host.lowercased() == "localhost" { return true }
        guard let address = IPAddress(host) else { return false }
        return address.isV4 ? address.bytes[0] == 127 : address.bytes == Array(repeating: 0, count: 15) + [1]
    }
}
