import FoundationEssentials
package import Kernel
package import NIOCore
package import NIOHTTP1

/// Translates an upstream's refusal into an error of the catalog. Nothing of its body reaches the caller but the
/// message of a JSON error about the caller's own request.
package enum UpstreamRefusal {
    /// Bytes of a refusal that are read at all.
    package static let maximumBody = 64 << 10
    static let maximumMessage = 500

    private struct Body: Decodable {
        struct Fault: Decodable {
            let message: String?
            let type: String?
            let promptTokens: Int?
            let contextLimit: Int?

            enum CodingKeys: String, CodingKey {
                case message, type, promptTokens = "n_prompt_tokens", contextLimit = "n_ctx"
            }
        }

        let error: Fault
    }

    package static func problem(status: Int, headers: HTTPHeaders, body: ByteBuffer) -> Problem {
        let retryAfter = headers.first(name: "retry-after").flatMap { Int($0) }.map { min(max($0, 1), 3600) }
        switch status {
        case 429: return Problem(.upstreamRateLimited, retryAfter: retryAfter ?? 1)
        case 503: return Problem(.providerDegraded, retryAfter: retryAfter ?? 2)
        case 408, 504: return Problem(.upstreamTimeout, retryAfter: retryAfter)
        case 401...407, 410:
            // Our own credential, address or model name is wrong there: an operator's matter, not the caller's.
            return Problem(.upstreamError, "The model's runtime or provider did not accept this platform's call.")
        case 400..<500: return rejection(body)
        default: return Problem(.upstreamError, retryAfter: retryAfter)
        }
    }

    private static func rejection(_ body: ByteBuffer) -> Problem {
        guard let fault = try? JSONDecoder().decode(Body.self, from: Data(body.readableBytesView)).error else {
            return Problem(.upstreamRejected)
        }
        if let prompt = fault.promptTokens, let limit = fault.contextLimit {
            return Problem(
                .contextLengthExceeded,
                "The prompt has \(prompt) tokens, and the model's context holds \(limit). Nothing was cut.",
                parameter: "messages",
                hint:
                    "Shorten the prompt by at least \(max(1, prompt - limit + 1)) tokens, "
                    + "or use a model with a larger context.",
                figures: [.init("prompt_tokens", prompt), .init("context_limit", limit)])
        }
        let message = fault.message.map { String($0.prefix(maximumMessage)) }
        return Problem(
            .upstreamRejected, message.map { "The model's runtime refused the request: \($0)" })
    }
}
