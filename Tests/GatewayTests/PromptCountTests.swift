import Gateway
import Inference
import NIOCore
import Testing

@Suite struct PromptCountTests {
    private static let chat =
        #"{"model":"m","stream":true,"messages":[{"role":"user","content":"é\"\n"}],"tools":[{}],"n":2}"#

    private func count(_ body: String, _ operation: Operation) -> (PromptCount, PromptCount.Step) {
        var count = PromptCount(ByteBuffer(string: body), asked: operation)
        let step = count.begin()
        return (count, step)
    }

    private func asks(_ path: String, _ body: String) -> PromptCount.Step {
        .ask(path: path, body: ByteBuffer(string: body))
    }

    @Test func anthropicIsAskedWithWhatThePromptIsMadeOf() {
        let body = #"{"model":"c","max_tokens":5,"system":"s","messages":[1],"stream":false,"thinking":null,"top_k":3}"#
        var (count, step) = count(body, .messages)
        #expect(step == asks("/v1/messages/count_tokens", #"{"model":"c","messages":[1],"system":"s"}"#))
        #expect(count.next(status: 200, ByteBuffer(string: #"{"input_tokens": 17}"#)) == .counted(17))
    }

    @Test func aRuntimeThatCountsMessagesIsAskedOnce() {
        var (count, step) = count(Self.chat, .chat)
        #expect(
            step
                == asks(
                    "/tokenize",
                    #"{"model":"m","messages":[{"role":"user","content":"é\"\n"}],"tools":[{}],"#
                        + #""add_generation_prompt":true}"#
                ))
        let answer = #"{"count":9,"max_model_len":100,"tokens":[1,2,3,4,5,6,7,8,9]}"#
        #expect(count.next(status: 200, ByteBuffer(string: answer)) == .counted(9))
    }

    @Test func aRuntimeThatCountsTextsAloneIsAskedForTheTemplateFirst() {
        var (count, _) = count(Self.chat, .chat)
        #expect(
            count.next(status: 200, ByteBuffer(string: #"{"tokens":[]}"#))
                == asks("/apply-template", #"{"messages":[{"role":"user","content":"é\"\n"}],"tools":[{}]}"#))
        #expect(
            count.next(status: 200, ByteBuffer(string: #"{"prompt":"<|im|>é\"\n"}"#))
                == asks("/tokenize", #"{"content":"<|im|>é\"\n","add_special":true,"parse_special":true}"#))
        #expect(count.next(status: 200, ByteBuffer(string: #"{"tokens":[5,6,7]}"#)) == .counted(3))
    }

    @Test func aCompletionsPromptIsSentByBothNames() {
        var (count, step) = count(#"{"model":"m","prompt":"a","max_tokens":1}"#, .completions)
        #expect(step == asks("/tokenize", #"{"model":"m","prompt":"a","content":"a","add_special":true}"#))
        #expect(count.next(status: 200, ByteBuffer(string: #"{"tokens":[]}"#)) == .counted(0))
        #expect(self.count(#"{"model":"m","prompt":["a","b"]}"#, .completions).1 == .unknown(isLasting: false))
        #expect(self.count(#"{"model":"m","input":"a"}"#, .responses).1 == .unknown(isLasting: true))
    }

    @Test(
        "who cannot count is not asked again, and who fails now may be",
        arguments: [(404, true), (405, true), (501, true), (400, true), (429, false), (500, false), (503, false)])
    func refusals(status: Int, isLasting: Bool) {
        var (count, _) = count(Self.chat, .chat)
        #expect(count.next(status: status, ByteBuffer(string: "no")) == .unknown(isLasting: isLasting))
    }

    @Test(
        "what is no count is none",
        arguments: [
            "", "<html>", "[]", "3", #"{"count":-1}"#, #"{"count":"9"}"#, #"{"count":1.5}"#, #"{"tokens":3}"#,
            #"{"count":99999999999999999999}"#, #"{"count":9"#,
        ])
    func nonsense(text: String) {
        var (count, _) = count(Self.chat, .chat)
        #expect(count.next(status: 200, ByteBuffer(string: text)) == .unknown(isLasting: true))
    }
}
