import Foundation
import Gateway
import Inference
import NIOCore
import Testing

@Suite struct StreamTranslationTests {
    private func chunk(_ delta: String, reason: String = "null") -> String {
        #"{"id":"msg_1","object":"chat.completion.chunk","created":1700000000,"model":"shown","choices":["#
            + #"{"index":0,"delta":\#(delta),"logprobs":null,"finish_reason":\#(reason)}],"usage":null}"#
    }

    private func usageChunk(_ usage: String) -> String {
        #"{"id":"msg_1","object":"chat.completion.chunk","created":1700000000,"model":"shown","choices":[],"#
            + #""usage":\#(usage)}"#
    }

    @Test("a stream of messages becomes a chat's, with one chunk for each piece, the reason and the usage")
    func chatText() throws {
        let (text, stream) = try DialectFixture.feed(
            [DialectStreams.text], to: DialectFixture.stream(.chat, over: .anthropic))
        #expect(
            DialectFixture.data(of: text) == [
                chunk(#"{"role":"assistant","content":""}"#), chunk(#"{"content":"Hel\"lo"}"#),
                chunk(#"{"content":" \u00e9😀"}"#), chunk("{}", reason: #""stop""#),
                usageChunk(
                    #"{"prompt_tokens":115,"completion_tokens":15,"total_tokens":130,"#
                        + #""prompt_tokens_details":{"cached_tokens":100},"#
                        + #""completion_tokens_details":{"reasoning_tokens":0}}"#),
            ])
        #expect(String(buffer: stream.terminal) == "data: [DONE]\n\n")
        #expect(stream.isComplete)
        #expect(stream.upstreamID == "msg_1")
        #expect(stream.contentEvents == 2)
        #expect(
            stream.usage == Usage(inputTokens: 115, outputTokens: 15, cachedTokens: 100, source: .provider))
    }

    @Test("calls and thoughts of messages become a chat's; a call without arguments has an empty object")
    func chatCalls() throws {
        let (text, stream) = try DialectFixture.feed(
            [DialectStreams.calls], to: DialectFixture.stream(.chat, over: .anthropic))
        let call = { (index: Int, arguments: String) in
            chunk(#"{"tool_calls":[{"index":\#(index),"function":{"arguments":\#(arguments)}}]}"#)
        }
        let opened = { (index: Int, id: String, name: String) in
            chunk(
                #"{"tool_calls":[{"index":\#(index),"id":"\#(id)","type":"function","function":"#
                    + #"{"name":"\#(name)","arguments":""}}]}"#)
        }
        #expect(
            DialectFixture.data(of: text).dropFirst().dropLast() == [
                chunk(#"{"reasoning_content":"hm"}"#), opened(0, "toolu_1", "weather"),
                call(0, #""{\"city\": \"Teh""#), call(0, #""ran\"}""#), opened(1, "toolu_2", "now"),
                call(1, #""{}""#), chunk("{}", reason: #""tool_calls""#),
            ])
        #expect(stream.usage?.outputTokens == 40)
    }

    @Test("a chat's client that did not ask for usage gets none, and it is read all the same")
    func unwantedUsage() throws {
        var form = DialectFixture.form
        form.wantsUsage = false
        let (text, stream) = try DialectFixture.feed(
            [DialectStreams.text], to: DialectFixture.stream(.chat, over: .anthropic, form))
        #expect(!text.contains("usage"))
        #expect(stream.usage?.inputTokens == 115)
    }

    static let reasons: [(String, String)] = [
        ("end_turn", "stop"), ("stop_sequence", "stop"), ("pause_turn", "stop"), ("a_new_one", "stop"),
        ("max_tokens", "length"), ("model_context_window_exceeded", "length"), ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
    ]

    @Test("the reason to stop carries over to a chat", arguments: reasons)
    func chatReasons(messages: String, chat: String) throws {
        let body = DialectStreams.text.replacing("end_turn", with: messages)
        let (text, _) = try DialectFixture.feed([body], to: DialectFixture.stream(.chat, over: .anthropic))
        #expect(text.contains(#""finish_reason":"\#(chat)""#))
    }

    // MARK: Chat to messages

    @Test("a chat's stream becomes messages': blocks are begun and ended, usage comes at the end")
    func messagesText() throws {
        let (text, stream) = try DialectFixture.feed(
            [DialectStreams.chatText], to: DialectFixture.stream(.messages, over: .openAI))
        let counts = #""cache_creation_input_tokens":0,"cache_read_input_tokens":"#
        #expect(
            text
                == DialectFixture.events(
                    "message_start",
                    #"{"type":"message_start","message":{"id":"chatcmpl-1","type":"message","role":"assistant","#
                        + #""model":"shown","content":[],"stop_reason":null,"stop_sequence":null,"#
                        + #""usage":{"input_tokens":0,\#(counts)0,"output_tokens":0}}}"#)
                + DialectFixture.events(
                    "content_block_start",
                    #"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#)
                + DialectFixture.events(
                    "content_block_delta",
                    #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel\"lo"}}"#)
                + DialectFixture.events(
                    "content_block_delta",
                    #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" \u00e9😀"}}"#)
                + DialectFixture.events("content_block_stop", #"{"type":"content_block_stop","index":0}"#)
                + DialectFixture.events(
                    "message_delta",
                    #"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"#
                        + #""usage":{"input_tokens":15,\#(counts)100,"output_tokens":15}}"#))
        #expect(
            String(buffer: stream.terminal)
                == DialectFixture.events("message_stop", #"{"type":"message_stop"}"#))
        #expect(stream.isComplete)
        #expect(stream.upstreamID == "chatcmpl-1")
        #expect(stream.usage?.cachedTokens == 100)
    }

    @Test("calls of a chat become blocks of messages; thoughts only for who asked for them", arguments: [true, false])
    func messagesCalls(showsThinking: Bool) throws {
        var form = DialectFixture.form
        form.showsThinking = showsThinking
        let (text, stream) = try DialectFixture.feed(
            [DialectStreams.chatCalls], to: DialectFixture.stream(.messages, over: .openAI, form))
        let first = showsThinking ? 1 : 0
        let data = DialectFixture.data(of: text)
        let thought = [
            #"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","#
                + #""signature":""}}"#,
            #"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
            #"{"type":"content_block_stop","index":0}"#,
        ]
        let delta = { (index: Int, json: String) in
            #"{"type":"content_block_delta","index":\#(index),"delta":{"type":"input_json_delta","#
                + #""partial_json":\#(json)}}"#
        }
        let start = { (index: Int, id: String, name: String) in
            #"{"type":"content_block_start","index":\#(index),"content_block":"#
                + #"{"type":"tool_use","id":"\#(id)","name":"\#(name)","input":{}}}"#
        }
        let stop = { (index: Int) in #"{"type":"content_block_stop","index":\#(index)}"# }
        #expect(
            Array(data.dropFirst().dropLast()) == (showsThinking ? thought : []) + [
                start(first, "c1", "weather"), delta(first, #""{\"city\": \"Teh""#), delta(first, #""ran\"}""#),
                stop(first), start(first + 1, "c2", "now"), delta(first + 1, #""{}""#), stop(first + 1),
            ])
        #expect(data.last?.contains(#""stop_reason":"tool_use""#) == true)
        #expect(data.last?.contains(#""output_tokens_details":{"thinking_tokens":4}"#) == true)
        #expect(stream.usage?.reasoningTokens == 4)
        // The thought was produced, whoever sees it.
        #expect(stream.contentEvents == 5)
    }

    static let finishes: [(String, String)] = [
        ("stop", "end_turn"), ("length", "max_tokens"), ("tool_calls", "tool_use"), ("function_call", "tool_use"),
        ("content_filter", "refusal"), ("a_new_one", "end_turn"),
    ]

    @Test("the reason to stop carries over to messages", arguments: finishes)
    func messagesReasons(chat: String, messages: String) throws {
        let body = DialectStreams.chatText.replacing(#""stop""#, with: #""\#(chat)""#)
        let (text, _) = try DialectFixture.feed([body], to: DialectFixture.stream(.messages, over: .openAI))
        #expect(text.contains(#""stop_reason":"\#(messages)""#))
    }

    @Test("an upstream that names the text that it stopped at has it named to the client of messages")
    func stopSequence() throws {
        let body = DialectStreams.chatText.replacing(
            #""finish_reason":"stop""#, with: #""finish_reason":"stop","stop_reason":"E\"ND""#)
        let (text, _) = try DialectFixture.feed([body], to: DialectFixture.stream(.messages, over: .openAI))
        #expect(text.contains(#""stop_reason":"stop_sequence","stop_sequence":"E\"ND""#))
    }

    @Test("calls without number or identifier are told apart, and named")
    func plainCalls() throws {
        let body =
            #"data: {"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}},"#
            + #"{"id":"b","function":{"name":"g","arguments":"{}"}}]}}]}"# + "\n\n"
            + #"data: {"choices":[{"delta":{"tool_calls":[{"index":5,"function":{"name":"h","arguments":"{}"}}]}}]}"#
            + "\n\n"
        let (text, _) = try DialectFixture.feed([body], to: DialectFixture.stream(.messages, over: .openAI))
        for id in ["a", "b", "toolu_fallback_3"] { #expect(text.contains(#""id":"\#(id)""#)) }
    }

    // MARK: Ends and faults

    @Test(
        "a stream without its terminal event is not complete, and has nothing to end with",
        arguments: DialectSample.allCases)
    func truncated(sample: DialectSample) throws {
        let events = sample.text.replacing("\r\n", with: "\n").components(separatedBy: "\n\n").dropLast(2)
        let (_, stream) = try DialectFixture.feed(
            [events.joined(separator: "\n\n") + "\n\n"], to: sample.stream())
        #expect(!stream.isComplete)
        #expect(stream.terminal.readableBytes == 0)
        #expect(stream.likelyOutput > 0)
    }

    @Test("what comes after the end is not read", arguments: DialectSample.allCases)
    func afterTheEnd(sample: DialectSample) throws {
        let (whole, _) = try DialectFixture.feed([sample.text], to: sample.stream())
        let pieces = [sample.text, "data: nonsense\n\n", sample.text]
        let (more, _) = try DialectFixture.feed(pieces, to: sample.stream())
        #expect(more == whole)
    }

    static let reported: [(Inference.Operation, WireProtocol, String)] = [
        (.chat, .anthropic, #"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#),
        (.messages, .anthropic, #"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#),
        (.messages, .openAI, #"{"error":{"message":"out of memory","code":500}}"#),
        (.responses, .openAI, #"{"type":"error","code":"x","message":"m"}"#),
        (.responses, .openAI, #"{"type":"response.failed","response":{"model":"up","status":"failed"}}"#),
    ]

    @Test("an error inside a stream is the upstream's error", arguments: reported)
    func errors(operation: Inference.Operation, wire: WireProtocol, data: String) {
        #expect(throws: AnswerStream.Fault.upstreamError) {
            try DialectFixture.feed(
                [DialectFixture.events("error", data)], to: DialectFixture.stream(operation, over: wire))
        }
    }

    static let broken: [(Inference.Operation, WireProtocol, String)] = [
        (.chat, .anthropic, "nonsense"), (.chat, .anthropic, "[]"), (.chat, .anthropic, "{}"),
        (.chat, .anthropic, #"{"type":"content_block_delta","delta":{"type":"text_delta","text":"early"}}"#),
        (.chat, .anthropic, #"{"type":"message_start"}"#), (.messages, .anthropic, "{}"),
        (.messages, .openAI, "nonsense"),
        (.messages, .openAI, #"{"choices":[{"delta":{"content":[{"type":"text"}]}}]}"#),
        (.responses, .openAI, "{}"),
        (.responses, .openAI, #"{"type":"response.completed"}"#),
        (.messages, .openAI, #"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}"#),
    ]

    @Test("an event that is not the protocol's is a fault", arguments: broken)
    func brokenEvents(operation: Inference.Operation, wire: WireProtocol, data: String) {
        #expect(throws: AnswerStream.Fault.notJSON) {
            try DialectFixture.feed(["data: \(data)\n\n"], to: DialectFixture.stream(operation, over: wire))
        }
    }

    @Test("an event without end is refused at its bound", arguments: DialectSample.allCases)
    func bounded(sample: DialectSample) {
        var stream = sample.stream()
        var output = ByteBuffer()
        let piece = ByteBuffer(repeating: 0x78, count: StreamFilter.maximumEvent + 1)
        #expect(throws: AnswerStream.Fault.eventTooLong) { try stream.feed(piece, into: &output) }
    }
}
