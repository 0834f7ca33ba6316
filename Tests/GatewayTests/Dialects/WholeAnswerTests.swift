import Gateway
import Inference
import NIOCore
import Testing

@Suite struct WholeAnswerTests {
    static let message =
        #"{"id":"msg_1","type":"message","role":"assistant","model":"up","content":["#
        + #"{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"Hel\"lo"},"#
        + #"{"type":"text","text":" you"},{"type":"tool_use","id":"t1","name":"f","input":{"a": "x\ny"}}],"#
        + #""stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":5,"#
        + #""cache_read_input_tokens":100,"output_tokens":20,"output_tokens_details":{"thinking_tokens":4}}}"#

    static let completion =
        #"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,"message":{"#
        + #""role":"assistant","content":"Hel\"lo","reasoning_content":"hm","tool_calls":[{"id":"c1","#
        + #""type":"function","#
        + #""function":{"name":"f","arguments":"{\"a\": \"x\\ny\"}"}}]},"finish_reason":"tool_calls"}],"#
        + #""usage":{"prompt_tokens":115,"completion_tokens":20,"total_tokens":135,"#
        + #""prompt_tokens_details":{"cached_tokens":100},"completion_tokens_details":{"reasoning_tokens":4}}}"#

    static let usage = Usage(
        inputTokens: 115, outputTokens: 20, cachedTokens: 100, reasoningTokens: 4, source: .provider)

    @Test("a message becomes a chat's completion")
    func chat() throws {
        var stream = DialectFixture.stream(.chat, over: .anthropic)
        let text = try DialectFixture.whole(Self.message, &stream)
        let wanted =
            #"{"id":"msg_1","object":"chat.completion","created":1700000000,"model":"shown","choices":[{"index":0,"#
            + #""message":{"role":"assistant","content":"Hel\"lo you","refusal":null,"reasoning_content":"hm","#
            + #""tool_calls":[{"id":"t1","type":"function","function":{"name":"f","#
            + #""arguments":"{\"a\": \"x\\ny\"}"}}]},"#
            + #""logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":115,"completion_tokens":20,"#
            + #""total_tokens":135,"prompt_tokens_details":{"cached_tokens":100},"#
            + #""completion_tokens_details":{"reasoning_tokens":4}}}"#
        #expect(try DialectFixture.canonical(text) == DialectFixture.canonical(wanted))
        #expect(stream.usage == Self.usage)
        #expect(stream.upstreamID == "msg_1")
    }

    @Test("a message of calls alone has no content in a chat")
    func callsAlone() throws {
        var stream = DialectFixture.stream(.chat, over: .anthropic)
        let body = #"{"content":[{"type":"tool_use","id":"t","name":"f","input":{}}],"stop_reason":"tool_use"}"#
        let text = try DialectFixture.whole(body, &stream)
        #expect(text.contains(#""content":null"#))
        #expect(text.contains(#""id":"fallback""#))
    }

    @Test("a chat's completion becomes a message; thoughts only for who asked for them", arguments: [true, false])
    func messages(showsThinking: Bool) throws {
        var form = DialectFixture.form
        form.showsThinking = showsThinking
        var stream = DialectFixture.stream(.messages, over: .openAI, form)
        let text = try DialectFixture.whole(Self.completion, &stream)
        let thought = showsThinking ? #"{"type":"thinking","thinking":"hm","signature":""},"# : ""
        let wanted =
            #"{"id":"chatcmpl-1","type":"message","role":"assistant","model":"shown","content":[\#(thought)"#
            + #"{"type":"text","text":"Hel\"lo"},{"type":"tool_use","id":"c1","name":"f","input":{"a":"x\ny"}}],"#
            + #""stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":15,"#
            + #""cache_creation_input_tokens":0,"cache_read_input_tokens":100,"output_tokens":20,"#
            + #""output_tokens_details":{"thinking_tokens":4}}}"#
        #expect(try DialectFixture.canonical(text) == DialectFixture.canonical(wanted))
        #expect(stream.usage == Self.usage)
        #expect(stream.contentEvents == 3)
    }

    @Test("messages and responses pass whole, but for the model's name")
    func passages() throws {
        var messages = DialectFixture.stream(.messages, over: .anthropic)
        #expect(
            try DialectFixture.whole(Self.message, &messages)
                == Self.message.replacing(#""model":"up""#, with: #""model":"shown""#))
        #expect(messages.usage == Self.usage)
        var responses = DialectFixture.stream(.responses, over: .openAI)
        let body =
            #"{"id":"resp_1","error":null,"model":"up","output":[{"type":"message","#
            + #""content":[{"type":"output_text","text":"Hi"}]}],"#
            + #""usage":{"input_tokens":5,"output_tokens":3,"output_tokens_details":{"reasoning_tokens":1}}}"#
        #expect(
            try DialectFixture.whole(body, &responses)
                == body.replacing(#""model":"up""#, with: #""model":"shown""#))
        #expect(responses.usage == Usage(inputTokens: 5, outputTokens: 3, reasoningTokens: 1, source: .provider))
        #expect(responses.contentBytes == 2)
    }

    @Test("a chat's completion passes whole, but for the model's name")
    func chatPassage() throws {
        var stream = DialectFixture.stream(.chat, over: .openAI)
        #expect(
            try DialectFixture.whole(Self.completion, &stream)
                == Self.completion.replacing(#""model":"up""#, with: #""model":"shown""#))
        #expect(stream.usage == Self.usage)
    }

    static let faults: [(Inference.Operation, WireProtocol, String, AnswerStream.Fault)] = [
        (.chat, .anthropic, "<html>", .notJSON), (.chat, .anthropic, "{}", .notJSON),
        (.chat, .anthropic, #"{"content":[{"type":"tool_use","id":"t"}]}"#, .notJSON),
        (.chat, .anthropic, #"{"type":"error","error":{}}"#, .upstreamError),
        (.messages, .openAI, #"{"choices":[]}"#, .notJSON),
        (.messages, .openAI, #"{"choices":[{"message":{"content":[{"type":"text","text":"x"}]}}]}"#, .notJSON),
        (.messages, .openAI, #"{"error":{"message":"x"}}"#, .upstreamError),
        (
            .messages, .openAI,
            #"{"choices":[{"message":{"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{"}}]}}]}"#, .notJSON
        ),
        (.messages, .anthropic, "{}", .notJSON), (.responses, .openAI, "{}", .notJSON),
        (.responses, .openAI, #"{"status":"failed","error":{"code":"x"},"output":[]}"#, .upstreamError),
        (.chat, .openAI, "[]", .notJSON), (.chat, .openAI, #"{"error":"x"}"#, .upstreamError),
    ]

    @Test("what is no answer, or an error with status 200, is a fault", arguments: faults)
    func refuses(operation: Inference.Operation, wire: WireProtocol, body: String, fault: AnswerStream.Fault) {
        var stream = DialectFixture.stream(operation, over: wire)
        #expect(throws: fault) { try DialectFixture.whole(body, &stream) }
    }
}
