/// Streams as the providers' public documentation shows them, with the edge cases that clients meet.
enum DialectStreams {
    private static func event(_ type: String, _ data: String) -> String { "event: \(type)\ndata: \(data)\n\n" }
    private static func chunk(_ data: String) -> String { "data: \(data)\n\n" }

    private static let start = event(
        "message_start",
        #"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"up","#
            + #""content":[],"#
            + #""stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":5,"#
            + #""cache_read_input_tokens":100,"output_tokens":1}}}"#)
    private static let stop = event("message_stop", #"{"type":"message_stop"}"#)

    private static func blockStart(_ index: Int, _ block: String) -> String {
        event("content_block_start", #"{"type":"content_block_start","index":\#(index),"content_block":\#(block)}"#)
    }

    private static func delta(_ index: Int, _ delta: String) -> String {
        event("content_block_delta", #"{"type":"content_block_delta","index":\#(index),"delta":\#(delta)}"#)
    }

    private static func blockStop(_ index: Int) -> String {
        event("content_block_stop", #"{"type":"content_block_stop","index":\#(index)}"#)
    }

    private static func end(_ reason: String, output: Int) -> String {
        event(
            "message_delta",
            #"{"type":"message_delta","delta":{"stop_reason":"\#(reason)","stop_sequence":null},"#
                + #""usage":{"output_tokens":\#(output)}}"#)
    }

    /// A greeting, with a ping in between and CRLF in one place.
    static let text =
        start + blockStart(0, #"{"type":"text","text":""}"#) + event("ping", #"{"type": "ping"}"#)
        + delta(0, #"{"type":"text_delta","text":"Hel\"lo"}"#)
        + "event: content_block_delta\r\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
        + "\"delta\":{\"type\":\"text_delta\",\"text\":\" \\u00e9😀\"}}\r\n\r\n"
        + blockStop(0) + end("end_turn", output: 15) + stop

    /// A thought, two calls, the second one without arguments.
    static let calls =
        start + blockStart(0, #"{"type":"thinking","thinking":"","signature":""}"#)
        + delta(0, #"{"type":"thinking_delta","thinking":"hm"}"#)
        + delta(0, #"{"type":"signature_delta","signature":"c2ln"}"#) + blockStop(0)
        + blockStart(1, #"{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}"#)
        + delta(1, #"{"type":"input_json_delta","partial_json":""}"#)
        + delta(1, #"{"type":"input_json_delta","partial_json":"{\"city\": \"Teh"}"#)
        + delta(1, #"{"type":"input_json_delta","partial_json":"ran\"}"}"#) + blockStop(1)
        + blockStart(2, #"{"type":"tool_use","id":"toolu_2","name":"now","input":{}}"#) + blockStop(2)
        + end("tool_use", output: 40) + stop

    /// The same greeting as chat tells it: a role-only chunk, a comment, a usage-only chunk.
    static let chatText =
        ": OPENROUTER PROCESSING\n\n"
        + chunk(
            #"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"up","#
                + #""choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#)
        + chunk(#"{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"Hel\"lo"},"finish_reason":null}]}"#)
        + "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" \\u00e9😀\"}}]}\r\n\r\n"
        + chunk(#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#)
        + chunk(
            #"{"choices":[],"usage":{"prompt_tokens":115,"completion_tokens":15,"total_tokens":130,"#
                + #""prompt_tokens_details":{"cached_tokens":100}}}"#)
        + chunk("[DONE]")

    static let chatCalls =
        chunk(#"{"id":"chatcmpl-2","choices":[{"index":0,"delta":{"role":"assistant","reasoning_content":"hm"}}]}"#)
        + chunk(
            #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","#
                + #""function":{"name":"weather","arguments":""}}]}}]}"#)
        + chunk(
            #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"#
                + #""function":{"arguments":"{\"city\": \"Teh"}}]}}]}"#
        )
        + chunk(#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"ran\"}"}}]}}]}"#)
        + chunk(
            #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"c2","type":"function","#
                + #""function":{"name":"now","arguments":"{}"}}]}}]}"#)
        + chunk(
            #"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"#
                + #""usage":{"prompt_tokens":7,"completion_tokens":9,"#
                + #""completion_tokens_details":{"reasoning_tokens":4}}}"#)
        + chunk("[DONE]")

    static let responses =
        event("response.created", #"{"type":"response.created","response":{"id":"resp_1","model":"up","usage":null}}"#)
        + event("response.output_text.delta", #"{"type":"response.output_text.delta","delta":"Hi","item_id":"i"}"#)
        + event(
            "response.completed",
            #"{"type":"response.completed","response":{"id":"resp_1","model":"up","usage":{"input_tokens":5,"#
                + #""output_tokens":3,"input_tokens_details":{"cached_tokens":2},"#
                + #""output_tokens_details":{"reasoning_tokens":1},"total_tokens":8}}}"#)
}
