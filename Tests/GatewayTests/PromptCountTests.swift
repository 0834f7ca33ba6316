import Gateway
import Inference
import NIOCore
import Testing

@Suite struct PromptCountTests {
    private static let chat =
        #"{"model":"m","stream":true,"messages":[{"role":"user","content":"é\"\n"}],"tools":[{}],"n":2}"#

    /// Every step of a count that gets these answers.
    private func steps(
        _ body: String, _ operation: Operation, _ answers: (status: Int, body: String)...
    ) -> [PromptCount.Step] {
        var count = PromptCount(ByteBuffer(string: body), asked: operation)
        let first = count.begin()
        return [first] + answers.map { count.next(status: $0.status, ByteBuffer(string: $0.body)) }
    }

    private func asks(_ path: String, _ body: String) -> PromptCount.Step {
        .ask(path: path, body: ByteBuffer(string: body))
    }

    @Test func anthropicIsAskedWithWhatThePromptIsMadeOf() {
        let body = #"{"model":"c","max_tokens":5,"system":"s","messages":[1],"stream":false,"thinking":null,"top_k":3}"#
        let steps = steps(body, .messages, (200, #"{"input_tokens": 17}"#))
        #expect(
            steps == [
                asks("/v1/messages/count_tokens", #"{"model":"c","messages":[1],"system":"s"}"#), .counted(17),
            ])
    }

    @Test func aRuntimeThatCountsMessagesIsAskedOnce() {
        let answer = #"{"count":9,"max_model_len":100,"tokens":[1,2,3,4,5,6,7,8,9]}"#
        let body =
            #"{"model":"m","messages":[{"role":"user","content":"é\"\n"}],"tools":[{}],"#
            + #""add_generation_prompt":true}"#
        #expect(steps(Self.chat, .chat, (200, answer)) == [asks("/tokenize", body), .counted(9)])
    }

    @Test func aRuntimeThatCountsTextsAloneIsAskedForTheTemplateFirst() {
        let steps = steps(
            Self.chat, .chat, (200, #"{"tokens":[]}"#), (200, #"{"prompt":"<|im|>é\"\n"}"#),
            (200, #"{"tokens":[5,6,7]}"#))
        #expect(
            steps.dropFirst() == [
                asks("/apply-template", #"{"messages":[{"role":"user","content":"é\"\n"}],"tools":[{}]}"#),
                asks("/tokenize", #"{"content":"<|im|>é\"\n","add_special":true,"parse_special":true}"#), .counted(3),
            ])
    }

    @Test func aCompletionsPromptIsSentByBothNames() {
        let body = #"{"model":"m","prompt":"a","content":"a","add_special":true}"#
        #expect(
            steps(#"{"model":"m","prompt":"a","max_tokens":1}"#, .completions, (200, #"{"tokens":[]}"#)) == [
                asks("/tokenize", body), .counted(0),
            ])
        #expect(steps(#"{"model":"m","prompt":["a","b"]}"#, .completions) == [.unknown(isLasting: false)])
        #expect(steps(#"{"model":"m","input":"a"}"#, .responses) == [.unknown(isLasting: false)])
    }

    @Test(
        "who cannot count is not asked again, and who fails now may be",
        arguments: [(404, true), (405, true), (501, true), (401, false), (429, false), (500, false), (503, false)])
    func refusals(status: Int, isLasting: Bool) {
        #expect(steps(Self.chat, .chat, (status, "no")).last == .unknown(isLasting: isLasting))
    }

    @Test("a request that is no good says nothing of who was asked", arguments: [400, 413, 422])
    func badRequests(status: Int) {
        #expect(steps(Self.chat, .chat, (status, "no")).last == .refused)
    }

    @Test(
        "what is no count is none",
        arguments: [
            "", "<html>", "[]", "3", #"{"count":-1}"#, #"{"count":"9"}"#, #"{"count":1.5}"#, #"{"tokens":3}"#,
            #"{"count":99999999999999999999}"#, #"{"count":9"#,
        ])
    func nonsense(text: String) {
        #expect(steps(Self.chat, .chat, (200, text)).last == .unknown(isLasting: true))
    }
}
