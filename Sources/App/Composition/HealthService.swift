import AsyncHTTPClient
import Flows
import Inference
import Kernel
import NIOCore
import NIOHTTP1
import ServiceLifecycle

/// Looks after the health of deployments.
struct HealthService: Service {
    let watch: HealthWatch
    /// Zero asks nobody.
    let interval: Duration
    let clock: any Kernel.Clock

    func run() async throws {
        guard interval > .zero else { return try await gracefulShutdown() }
        await cancelWhenGracefulShutdown {
            while (try? await clock.sleep(for: interval)) != nil { await watch.look() }
        }
    }
}

/// Asks `/health`, which vLLM, TGI, llama.cpp and others have, and `/v1/models` where there is none.
struct HTTPDeploymentProbe: DeploymentProbe {
    private static let patience = TimeAmount.seconds(5)

    let client: HTTPClient

    func isWell(_ deployment: Deployment) async -> Bool {
        for path in ["/health", "/v1/models"] {
            guard let status = await status(of: "\(deployment.endpoint)\(path)") else { return false }
            switch status {
            case 404, 405, 501: continue
            default: return status < 500
            }
        }
        // It answers, and has neither: it may speak one operation only.
        return true
    }

    /// - Returns: nil when nobody answered.
    private func status(of url: String) async -> UInt? {
        var request = HTTPClientRequest(url: url)
        request.headers.add(name: "connection", value: "close")
        request.headers.add(name: "user-agent", value: "volery")
        return try? await client.execute(request, timeout: Self.patience).status.code
    }
}
