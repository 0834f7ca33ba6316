import Flows
import Foundation
import Kernel
import TestKit
import Testing

@Suite struct ProblemBodyTests {
    let request: RequestID = Samples().ids.next()

    private func object(_ bytes: [UInt8]) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    @Test("OpenAI's shape keeps OpenAI's members and adds ours beside them")
    func openAIShape() throws {
        let problem = Problem(
            .contextLengthExceeded, "Too long.", parameter: "messages", hint: "Shorten it.",
            figures: [.init("prompt_tokens", 9000), .init("context_limit", 2048)])
        let error = try #require(try object(ProblemBody.openAI(problem, request: request))["error"] as? [String: Any])
        #expect(error["message"] as? String == "Too long.")
        #expect(error["type"] as? String == "invalid_request_error")
        #expect(error["param"] as? String == "messages")
        #expect(error["code"] as? String == "CONTEXT_LENGTH_EXCEEDED")
        #expect(error["hint"] as? String == "Shorten it.")
        #expect(error["request_id"] as? String == request.description)
        #expect(error["doc_url"] as? String == "/docs/errors/CONTEXT_LENGTH_EXCEEDED")
        #expect(error["prompt_tokens"] as? Int == 9000)
        #expect(error["context_limit"] as? Int == 2048)
    }

    @Test("Anthropic's shape has its words for the error, and ours beside them")
    func anthropicShape() throws {
        let problem = Problem(.rateLimited, "Too fast.", hint: "Wait.", retryAfter: 3)
        let body = try object(ProblemBody.anthropic(problem, request: request))
        #expect(body["type"] as? String == "error")
        #expect(body["request_id"] as? String == request.description)
        let error = try #require(body["error"] as? [String: Any])
        #expect(error["type"] as? String == "rate_limit_error")
        #expect(error["message"] as? String == "Too fast.")
        #expect(error["code"] as? String == "RATE_LIMITED")
        #expect(error["retry_after"] as? Int == 3)
    }

    @Test(
        "Anthropic's type follows the status",
        arguments: [
            (.validationError, "invalid_request_error"), (.invalidAPIKey, "authentication_error"),
            (.policyDenied, "permission_error"), (.modelNotFound, "not_found_error"),
            (.payloadTooLarge, "request_too_large"), (.quotaExceeded, "rate_limit_error"),
            (.internalError, "api_error"), (.upstreamError, "api_error"), (.overloaded, "overloaded_error"),
            (.upstreamTimeout, "timeout_error"),
        ] as [(ErrorCode, String)])
    func anthropicTypes(code: ErrorCode, type: String) throws {
        let error = try object(ProblemBody.anthropic(Problem(code), request: request))["error"] as? [String: Any]
        #expect(error?["type"] as? String == type)
    }

    @Test("a parameter that is not at fault is null, not missing")
    func nullParameter() throws {
        let openAI = String(decoding: ProblemBody.openAI(Problem(.internalError), request: request), as: UTF8.self)
        let details = String(decoding: ProblemBody.details(Problem(.internalError), request: request), as: UTF8.self)
        #expect(openAI.contains(#""param":null"#))
        #expect(details.contains(#""param":null"#))
    }

    @Test("problem details have the members of RFC 9457, and code and request beside them")
    func details() throws {
        let body = try object(ProblemBody.details(Problem(.notFound, "No such key."), request: request))
        #expect(body["type"] as? String == "/docs/errors/NOT_FOUND")
        #expect(body["title"] as? String == ErrorCode.notFound.meaning)
        #expect(body["status"] as? Int == 404)
        #expect(body["detail"] as? String == "No such key.")
        #expect(body["code"] as? String == "NOT_FOUND")
        #expect(body["request_id"] as? String == request.description)
    }

    @Test("a figure cannot take the place of a member")
    func figuresYield() throws {
        let problem = Problem(.overloaded, retryAfter: 3, figures: [.init("code", 1), .init("status", 2)])
        let body = try object(ProblemBody.details(problem, request: request))
        #expect(body["code"] as? String == "OVERLOADED")
        #expect(body["status"] as? Int == 503)
        #expect(body["retry_after"] as? Int == 3)
    }

    @Test("each shape reads back as the problem it was", arguments: ErrorCode.allCases)
    func readsBack(code: ErrorCode) throws {
        let problem = Problem(code, "What \"happened\".\n", parameter: "x[0].y", hint: "Do this.", retryAfter: 2)
        #expect(ProblemBody.read(ProblemBody.openAI(problem, request: request)) == problem)
        #expect(ProblemBody.read(ProblemBody.details(problem, request: request)) == problem)
        #expect(ProblemBody.read(ProblemBody.anthropic(problem, request: request)) == problem)
    }

    @Test(
        "what is not an answer of ours is no problem",
        arguments: ["", "[]", "<html>", #"{"error":"x"}"#, #"{"code":"NEW"}"#])
    func strangers(text: String) {
        #expect(ProblemBody.read(Array(text.utf8)) == nil)
    }
}
