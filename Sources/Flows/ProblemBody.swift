import FoundationEssentials
package import Kernel

/// The shapes in which a `Problem` reaches a caller. Pure: the same problem gives the same bytes.
package enum ProblemBody {
    package static let detailsContentType = "application/problem+json"

    /// OpenAI's shape, for the inference paths: `{"error": {"message", "type", "param", "code", …}}`.
    /// Hint, page, request and figures stand beside what OpenAI's clients know.
    package static func openAI(_ problem: Problem, request: RequestID) -> [UInt8] {
        bytes(of: OpenAIBody(error: Members(problem, request: request, shape: .openAI)))
    }

    /// Anthropic's shape, for its paths: `{"type": "error", "error": {"type", "message", …}, "request_id"}`.
    /// Code, hint and the rest stand inside `error`, beside what Anthropic's clients know.
    package static func anthropic(_ problem: Problem, request: RequestID) -> [UInt8] {
        bytes(
            of: AnthropicBody(
                error: Members(problem, request: request, shape: .anthropic), request: request.description))
    }

    /// The data of the event by which a stream of OpenAI's responses tells an error.
    package static func responsesEvent(_ problem: Problem, request: RequestID) -> [UInt8] {
        bytes(of: Members(problem, request: request, shape: .responsesEvent))
    }

    /// RFC 9457 problem details, for every other path.
    package static func details(_ problem: Problem, request: RequestID) -> [UInt8] {
        bytes(of: Members(problem, request: request, shape: .details))
    }

    /// The header fields that an answer with the problem has beside its body. Clients of OpenAI's obey the last one: a
    /// budget that is spent is not worth their tries, and neither is a request that no limit ever lets through.
    package static func headers(of problem: Problem) -> [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        if let seconds = problem.retryAfter { headers.append(("retry-after", String(seconds))) }
        if problem.status == 401 { headers.append(("www-authenticate", "Bearer realm=\"volery\"")) }
        if problem.code == .quotaExceeded || problem.code == .rateLimited, problem.retryAfter == nil {
            headers.append(("x-should-retry", "false"))
        }
        return headers
    }

    /// Where the code is explained, relative to the server's root.
    package static func page(of code: ErrorCode) -> String { "/docs/errors/\(code.rawValue)" }

    /// Reads either shape back. Nil when the bytes are not an answer of ours.
    package static func read(_ bytes: some Collection<UInt8>) -> Problem? {
        let data = Data(bytes)
        let decoder = JSONDecoder()
        if let body = try? decoder.decode(ReadBody.self, from: data) { return body.error.problem }
        return (try? decoder.decode(ReadMembers.self, from: data))?.problem
    }

    private static func bytes(of body: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Strings and integers always encode; the constant stands in for a path that cannot be taken.
        guard let data = try? encoder.encode(body) else { return Array(#"{"error":{"code":"INTERNAL_ERROR"}}"#.utf8) }
        return Array(data)
    }
}

private struct OpenAIBody: Encodable {
    let error: Members
}

private struct AnthropicBody: Encodable {
    let type = "error"
    let error: Members
    let request: String

    enum CodingKeys: String, CodingKey {
        case type, error, request = "request_id"
    }
}

private enum Shape { case openAI, anthropic, responsesEvent, details }

extension ErrorCode {
    /// Anthropic's word for errors of the status.
    ///
    /// Source: https://docs.claude.com/en/api/errors
    fileprivate var anthropicType: String {
        switch status {
        case 401: "authentication_error"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 413: "request_too_large"
        case 429: "rate_limit_error"
        case 503: "overloaded_error"
        case 504: "timeout_error"
        case 500...: "api_error"
        default: "invalid_request_error"
        }
    }
}

/// Member names that a figure adds at run time stand beside the fixed ones.
private struct MemberName: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(_ text: String) { stringValue = text }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

private struct Members: Encodable {
    let problem: Problem
    let request: RequestID
    let shape: Shape

    init(_ problem: Problem, request: RequestID, shape: Shape) {
        self.problem = problem
        self.request = request
        self.shape = shape
    }

    func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: MemberName.self)
        // Figures first: a fixed member of the same name wins.
        for (name, text) in problem.members { try members.encode(text, forKey: MemberName(name)) }
        for figure in problem.figures { try members.encode(figure.value, forKey: MemberName(figure.name)) }
        if let retryAfter = problem.retryAfter { try members.encode(retryAfter, forKey: MemberName("retry_after")) }
        try members.encode(problem.code.rawValue, forKey: MemberName("code"))
        try members.encode(problem.hint, forKey: MemberName("hint"))
        try members.encode(request.description, forKey: MemberName("request_id"))
        try members.encode(ProblemBody.page(of: problem.code), forKey: MemberName("doc_url"))
        switch shape {
        case .openAI:
            try members.encode(problem.message, forKey: MemberName("message"))
            try members.encode(problem.code.openAIType, forKey: MemberName("type"))
            try encodeParameter(in: &members)
        case .anthropic:
            try members.encode(problem.message, forKey: MemberName("message"))
            try members.encode(problem.code.anthropicType, forKey: MemberName("type"))
            try encodeParameter(in: &members)
        case .responsesEvent:
            try members.encode(problem.message, forKey: MemberName("message"))
            try members.encode("error", forKey: MemberName("type"))
            try encodeParameter(in: &members)
        case .details:
            try members.encode(ProblemBody.page(of: problem.code), forKey: MemberName("type"))
            try members.encode(problem.code.meaning, forKey: MemberName("title"))
            try members.encode(problem.status, forKey: MemberName("status"))
            try members.encode(problem.message, forKey: MemberName("detail"))
            try encodeParameter(in: &members)
        }
    }

    /// `param` is null when no parameter is at fault: OpenAI's clients expect the member.
    private func encodeParameter(in members: inout KeyedEncodingContainer<MemberName>) throws {
        if let parameter = problem.parameter {
            try members.encode(parameter, forKey: MemberName("param"))
        } else {
            try members.encodeNil(forKey: MemberName("param"))
        }
    }
}

private struct ReadBody: Decodable {
    let error: ReadMembers
}

private struct ReadMembers: Decodable {
    let code: String
    let message: String?
    let detail: String?
    let param: String?
    let hint: String?
    let retryAfter: Int?
    let keyID: String?

    enum CodingKeys: String, CodingKey {
        case code, message, detail, param, hint
        case retryAfter = "retry_after", keyID = "key_id"
    }

    var problem: Problem? {
        guard let code = ErrorCode(rawValue: code) else { return nil }
        return Problem(
            code, message ?? detail, parameter: param, hint: hint, retryAfter: retryAfter,
            members: keyID.map { ["key_id": $0] } ?? [:])
    }
}
