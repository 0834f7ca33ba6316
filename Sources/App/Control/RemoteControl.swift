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
    static let usualPatience = Duration.seconds(30)
    /// For what reads or writes everything that there is.
    static let longPatience = Duration.seconds(600)

    private let client: HTTPClient
    private let url: String
    private let token: Secret
    private let idempotencyKey: String?

    /// - Parameter url: base URL without a path.
    package init(client: HTTPClient, url: String, token: Secret) {
        self.init(client: client, url: url, token: token, idempotencyKey: nil)
    }

    private init(client: HTTPClient, url: String, token: Secret, idempotencyKey: String?) {
        self.client = client
        self.url = url
        self.token = token
        self.idempotencyKey = idempotencyKey
    }

    package func usageRows(in workspace: WorkspaceID?, _ page: PageRequest) async throws -> Page<UsageRowView> {
        try await send(.GET, "usage" + query(["each": "true", "workspace": workspace?.description], page))
    }

    package func usageSummary(in workspace: WorkspaceID?, days: Int) async throws -> [UsageSummaryView] {
        let page: Page<UsageSummaryView> = try await send(
            .GET, "usage" + query(["days": String(days), "workspace": workspace?.description]),
            patience: Self.longPatience)
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

    /// Sends the requests that make something under this key, so that a repeat makes nothing twice.
    package func keyed(_ idempotencyKey: String) -> RemoteControl {
        RemoteControl(client: client, url: url, token: token, idempotencyKey: idempotencyKey)
    }

    func send<Answer: Decodable>(
        _ method: HTTPMethod, _ path: String, patience: Duration = RemoteControl.usualPatience
    ) async throws -> Answer {
        try decode(try await answer(to: request(method, path), patience: patience))
    }

    func send<Answer: Decodable>(
        _ method: HTTPMethod, _ path: String, body: some Encodable
    ) async throws -> Answer {
        var request = request(method, path)
        request.headers.add(name: "content-type", value: "application/json")
        request.body = .bytes(try Self.encode(body))
        return try decode(try await answer(to: request, patience: Self.usualPatience))
    }

    /// The same bytes for the same value, so that a repeat under an idempotency key is known again.
    static func encode(_ body: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(body))
    }

    /// An answer of one JSON value in each line.
    func lines<Item: Decodable>(_ path: String) async throws -> [Item] {
        try await answer(to: request(.GET, path), patience: Self.usualPatience)
            .split(separator: UInt8(ascii: "\n")).map { try decode(Array($0)) }
    }

    /// What is nil is left out.
    func query(_ members: KeyValuePairs<String, String?>, _ page: PageRequest? = nil) -> String {
        query(members.map { ($0.key, $0.value) }, page)
    }

    func query(_ members: [(String, String?)], _ page: PageRequest? = nil) -> String {
        let own = members.compactMap { name, value in value.map { "\(name)=\($0)" } }
        let all = own + (page.map { [$0.query] } ?? [])
        return all.isEmpty ? "" : "?" + all.joined(separator: "&")
    }

    /// - Parameter path: below `/v1/admin/`, unless it begins with a slash.
    private func request(_ method: HTTPMethod, _ path: String) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url + (path.hasPrefix("/") ? path : "/v1/admin/" + path))
        request.method = method
        request.headers.add(name: "authorization", value: "Bearer \(token.reveal())")
        if method == .POST, let idempotencyKey {
            request.headers.add(name: "idempotency-key", value: idempotencyKey)
        }
        return request
    }

    private func answer(to request: HTTPClientRequest, patience: Duration) async throws -> [UInt8] {
        let status: Int
        let bytes: [UInt8]
        do {
            let response = try await client.execute(request, timeout: TimeAmount(patience))
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
        return bytes
    }

    private func decode<Answer: Decodable>(_ bytes: [UInt8]) throws -> Answer {
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
