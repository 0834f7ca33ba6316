import Flows
package import Kernel
import NIOCore
package import Tenancy

extension GatewayCore: RunningRequests {
    package func keys(touchedBy subjects: Set<Revocation.Subject>?) async -> [KeyID: String] {
        var found: [KeyID: String] = [:]
        for loop in loopsInOrder {
            let here = try? await loop.eventLoop.submit { loop.value.keys(touchedBy: subjects) }.get()
            found.merge(here ?? [:]) { first, _ in first }
        }
        return found
    }

    package func cut(_ keys: Set<KeyID>) async {
        guard !keys.isEmpty else { return }
        for loop in loopsInOrder {
            _ = try? await loop.eventLoop.submit { loop.value.cut(keys) }.get()
        }
    }
}

extension LoopContext {
    fileprivate func keys(touchedBy subjects: Set<Revocation.Subject>?) -> [KeyID: String] {
        var found: [KeyID: String] = [:]
        for exchange in exchanges {
            guard let holder = exchange.principal else {
                exchange.mustVerifyAgain = true
                continue
            }
            guard subjects.map(holder.isTouched) ?? true, let prefix = exchange.token?.prefix else { continue }
            found[holder.key] = prefix
        }
        return found
    }

    fileprivate func cut(_ keys: Set<KeyID>) {
        for exchange in exchanges where exchange.principal.map({ keys.contains($0.key) }) ?? false {
            exchange.end(
                for: Problem(
                    .invalidAPIKey, "The key of this request was revoked, or may not be used any more.",
                    parameter: "Authorization"))
        }
    }

    /// Those that have not ended, also without a client.
    private var exchanges: [Exchange] {
        sweeper.all.compactMap { ($0 as? EdgeHandler)?.exchange ?? $0 as? Exchange }.filter { !$0.isEnded }
    }
}

extension KeyHolder {
    fileprivate func isTouched(by subjects: Set<Revocation.Subject>) -> Bool {
        subjects.contains(.key(key)) || subjects.contains(.workspace(workspace)) || subjects.contains(.tenant(tenant))
            || principal.user.map { subjects.contains(.user($0)) } ?? false
    }
}
