import FoundationEssentials
package import Inference
package import Kernel
package import NIOCore

/// Translates an upstream's refusal into an error of the catalog. Nothing of its body reaches the caller but the
/// message of a JSON error about the caller's own request.
package enum UpstreamRefusal {
    /// Bytes of a refusal that are read at all.
    package static let maximumBody = 64 << 10
    static let maximumMessage = 500

    private struct Body: Decodable {
        struct Fault: Decodable {
            let message: String?
            let code: Code?
            let promptTokens: Int?
            let contextLimit: Int?

            enum CodingKeys: String, CodingKey {
                case message, code, promptTokens = "n_prompt_tokens", contextLimit = "n_ctx"
            }
        }

        /// An object at most; a text at some runtimes.
        let fault: Fault

        enum CodingKeys: String, CodingKey { case error }

        init(from decoder: any Decoder) throws {
            let members = try decoder.container(keyedBy: CodingKeys.self)
            if let text = try? members.decode(String.self, forKey: .error) {
                fault = Fault(message: text, code: nil, promptTokens: nil, contextLimit: nil)
            } else {
                fault = try members.decode(Fault.self, forKey: .error)
            }
        }
    }

    /// A word at OpenAI and those that follow it, a number at some runtimes.
    private struct Code: Decodable {
        let word: String?

        init(from decoder: any Decoder) throws {
            word = try? decoder.singleValueContainer().decode(String.self)
        }
    }

    package static func problem(
        status: Int, headers: some HeaderLookup, body: ByteBuffer, at now: Instant
    ) -> Problem {
        let retryAfter = RetryAfter.seconds(headers, at: now).map { max($0, 1) }
        switch status {
        case 429: return Problem(.upstreamRateLimited, retryAfter: retryAfter ?? 1)
        // 529 is how Anthropic says that it is overloaded.
        case 503, 529: return Problem(.providerDegraded, retryAfter: retryAfter ?? 2)
        case 408, 504: return Problem(.upstreamTimeout, retryAfter: retryAfter)
        // TGI's, where a model broke off.
        case 424: return Problem(.upstreamError, retryAfter: retryAfter)
        case 401...407, 410:
            // Our own credential, address or model name is wrong there: an operator's matter, not the caller's.
            return Problem(.upstreamError, "The model's runtime or provider did not accept this platform's call.")
        case 400..<500: return rejection(body)
        default: return Problem(.upstreamError, retryAfter: retryAfter)
        }
    }

    /// What a status that is no success tells of the upstream; nil where it is the request that is no good.
    package static func failure(status: Int, headers: some HeaderLookup, at now: Instant) -> CallFailure? {
        switch status {
        case 429, 503, 529: return .overloaded(retryAfter: RetryAfter.seconds(headers, at: now).map { .seconds($0) })
        case 424: return .failing
        case 408, 504: return .silent
        case 401...407, 410: return .misconfigured
        case 400..<500: return nil
        default: return .failing
        }
    }

    private static func rejection(_ body: ByteBuffer) -> Problem {
        guard let fault = try? JSONDecoder().decode(Body.self, from: Data(body.readableBytesView)).fault else {
            return Problem(.upstreamRejected)
        }
        let message = fault.message.map { String($0.prefix(maximumMessage)) }
        if let prompt = fault.promptTokens, let limit = fault.contextLimit {
            return ContextCounts(prompt: prompt, limit: limit).problem
        }
        if let counts = message.flatMap(ContextCounts.init(in:)) { return counts.problem }
        // The second is Ollama's.
        if fault.code?.word == "context_length_exceeded" || message?.contains("longer than the context") == true {
            return Problem(.contextLengthExceeded, message, parameter: "messages")
        }
        // Anthropic's, where prompt and cap together are too long.
        if let message, message.contains("exceed context limit") {
            return Problem(
                .contextLengthExceeded, "The model's runtime refused the request: \(message)", parameter: "max_tokens")
        }
        return Problem(
            .upstreamRejected, message.map { "The model's runtime refused the request: \($0)" })
    }
}
