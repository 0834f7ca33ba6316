package import AsyncHTTPClient
package import Fleet
package import Flows
import FoundationEssentials
package import Kernel
import NIOCore
import NIOHTTP1

/// `Control` over the admin API of the platform that runs.
package struct RemoteControl: Control {
    /// Bytes of an answer. A page of a thousand usage rows has about half a MiB.
    private static let answerLimit = 16 << 20

    private let client: HTTPClient
    private let url: String
    private let token: Secret

    /// - Parameter url: base URL without a path.
    package init(client: HTTPClient, url: String, token: Secret) {
        self.client = client
        self.url = url
        self.token = token
    }

    package func createKey(_ request: NewKey) async throws -> CreatedKey {
        try await send(.POST, "keys", body: request)
    }

    package func listKeys(_ page: PageRequest) async throws -> Page<KeyView> {
        try await send(.GET, "keys?" + page.query)
    }

    package func revokeKey(_ id: KeyID) async throws -> KeyView { try await send(.DELETE, "keys/\(id)") }

    package func registerDeployment(_ request: NewDeployment) async throws -> DeploymentView {
        try await send(.POST, "registry", body: request)
    }

    package func listDeployments() async throws -> [DeploymentView] {
        let page: Page<DeploymentView> = try await send(.GET, "registry")
        return page.data
    }

    package func deregister(_ id: DeploymentID) async throws -> DeploymentView {
        try await send(.DELETE, "registry/\(id)")
    }

    package func usageRows(_ page: PageRequest) async throws -> Page<UsageRowView> {
        try await send(.GET, "usage?each=true&" + page.query)
    }

    package func usageSummary(days: Int) async throws -> [UsageSummaryView] {
        let page: Page<UsageSummaryView> = try await send(.GET, "usage?days=\(days)")
        return page.data
    }

    package func runtimes() async throws -> [ModelServiceStatus] {
        let page: Page<ModelServiceStatus> = try await send(.GET, "runtimes")
        return page.data
    }

    package func models() async throws -> [ModelView] {
        let page: Page<ModelView> = try await send(.GET, "models")
        return page.data
    }

    private func send<Answer: Decodable>(_ method: HTTPMethod, _ path: String) async throws -> Answer {
        try await execute(request(method, path))
    }

    private func send<Answer: Decodable>(
        _ method: HTTPMethod, _ path: String, body: some Encodable
    ) async throws -> Answer {
        var request = request(method, path)
        request.headers.add(name: "content-type", value: "application/json")
        request.body = .bytes(Array(try JSONEncoder().encode(body)))
        return try await execute(request)
    }

    private func request(_ method: HTTPMethod, _ path: String) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: "\(url)/v1/admin/\(path)")
        request.method = method
        request.headers.add(name: "authorization", value: "Bearer \(token.reveal())")
        return request
    }

    private func execute<Answer: Decodable>(_ request: HTTPClientRequest) async throws -> Answer {
        let status: Int
        let bytes: [UInt8]
        do {
            let response = try await client.execute(request, timeout: .seconds(30))
            status = Int(response.status.code)
            bytes = Array(try await response.body.collect(upTo: Self.answerLimit).readableBytesView)
        } catch let error as CancellationError {
            throw error
        } catch {
            throw Problem(
                .platformSilent, "The platform that serves this data folder does not answer at \(url).")
        }
        guard (200..<300).contains(status) else {
            throw ProblemBody.read(bytes)
                ?? Problem(.internalError, "The platform answered with HTTP status \(status).")
        }
        do {
            return try JSONDecoder().decode(Answer.self, from: Data(bytes))
        } catch {
            throw Problem(
                .internalError, "The platform's answer cannot be read by this version of the command line.",
                hint: "Use the binary that the platform runs, or start the platform again.")
        }
    }
}

extension PageRequest {
    fileprivate var query: String { "limit=\(limit)" + (after.map { "&after=\($0)" } ?? "") }
}
