package import AsyncHTTPClient
import Flows
import Foundation
package import Kernel
import NIOCore
import NIOHTTP1

/// Speaks to a running platform as any client would: over HTTP, with an API key.
package struct ChatClient: Sendable {
    /// Bytes of an answer that is not streamed, and of an error.
    private static let longestBody = 16 << 20
    /// A long answer of a slow model.
    private static let longest = TimeAmount.minutes(30)

    private let client: HTTPClient
    private let base: String
    private let key: Secret

    /// - Parameter base: the platform's URL, without `/v1`.
    package init(client: HTTPClient, base: String, key: Secret) {
        self.client = client
        self.base = base
        self.key = key
    }

    /// Sends the request and hands over the text as it comes, in one piece when it is not streamed.
    ///
    /// Cancelling closes the connection, which ends the generation.
    /// - Throws: the platform's `Problem`; `PLATFORM_SILENT` when it does not answer, `UPSTREAM_TRUNCATED` when the
    ///   answer breaks off; and whatever `onText` throws.
    package func answer(
        _ chat: ChatRequest, onText: @Sendable (String) throws -> Void
    ) async throws -> ChatAnswer {
        var request = request("/v1/chat/completions")
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        request.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(chat)))
        let response = try await send(request)
        guard response.status.code == 200 else { throw try await problem(of: response) }
        guard chat.stream else {
            let choice = try decode(ChatBody.self, from: try await whole(response)).choices.first
            let text = choice?.message?.content ?? ""
            try onText(text)
            return ChatAnswer(text: text, finish: choice?.finish)
        }
        return try await read(response.body, onText: onText)
    }

    /// The names of the models that the key may use.
    package func models() async throws -> [String] {
        let response = try await send(request("/v1/models"))
        guard response.status.code == 200 else { throw try await problem(of: response) }
        return try decode(ModelListBody.self, from: try await whole(response)).data.map(\.id)
    }

    private func read(
        _ body: HTTPClientResponse.Body, onText: @Sendable (String) throws -> Void
    ) async throws -> ChatAnswer {
        var events = EventStream()
        var answer = ChatAnswer(text: "", finish: nil)
        var pieces = body.makeAsyncIterator()
        while let piece = try await next(&pieces) {
            for event in try complete(&events, piece) {
                if event.elementsEqual("[DONE]".utf8) { return answer }
                if let problem = ProblemBody.read(event) { throw problem }
                guard let choice = try decode(ChatBody.self, from: event).choices.first else { continue }
                if let text = choice.delta?.content, !text.isEmpty {
                    try onText(text)
                    answer.text += text
                }
                answer.finish = choice.finish ?? answer.finish
            }
        }
        throw Self.truncated
    }

    private func next(_ pieces: inout HTTPClientResponse.Body.AsyncIterator) async throws -> ByteBuffer? {
        do { return try await pieces.next() } catch let error as CancellationError {
            throw error
        } catch {
            throw Self.truncated
        }
    }

    private func complete(_ events: inout EventStream, _ piece: ByteBuffer) throws -> [[UInt8]] {
        do { return try events.take(piece.readableBytesView) } catch { throw Self.unreadable }
    }

    private func request(_ path: String) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: base + path)
        request.headers.add(name: "authorization", value: "Bearer \(key.reveal())")
        request.headers.add(name: "user-agent", value: "volery-chat/\(Version.text)")
        return request
    }

    private func send(_ request: HTTPClientRequest) async throws -> HTTPClientResponse {
        do { return try await client.execute(request, timeout: Self.longest) } catch let error as CancellationError {
            throw error
        } catch {
            throw Problem(
                .platformSilent, "The platform at \(base) does not answer.",
                hint: "See what `volery serve` prints, or start it again.")
        }
    }

    private func whole(_ response: HTTPClientResponse) async throws -> [UInt8] {
        do { return Array(buffer: try await response.body.collect(upTo: Self.longestBody)) } catch let error
            as CancellationError
        {
            throw error
        } catch {
            throw Self.truncated
        }
    }

    private func problem(of response: HTTPClientResponse) async throws -> Problem {
        ProblemBody.read(try await whole(response)) ?? Self.unreadable
    }

    private func decode<Body: Decodable>(_ type: Body.Type, from bytes: [UInt8]) throws -> Body {
        do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch { throw Self.unreadable }
    }

    private static let truncated = Problem(
        .upstreamTruncated, "The answer broke off before its end.",
        hint: "Ask again; the log of `volery serve` says what happened.")

    private static let unreadable = Problem(
        .upstreamInvalidResponse, "What answered is not a Volery platform.",
        hint: "Check which program listens at the address in platform.json in the data folder.")
}
