import Gateway
import Inference
import Kernel
import NIOCore
import Testing

@Suite struct ChatToMessagesTests {
    /// Members of the body beside model, messages and cap, and what becomes of them.
    static let members: [(String, String)] = [
        ("", ""),
        (#","temperature":0.25,"top_p":0.5,"top_k":40"#, #","temperature":0.25,"top_p":0.5,"top_k":40"#),
        (#","stop":"END""#, #","stop_sequences":["END"]"#),
        (#","stop":["a","b\n"]"#, #","stop_sequences":["a","b\n"]"#),
        (#","stream":true,"stream_options":{"include_usage":true}"#, #","stream":true"#),
        (#","user":"u-1""#, #","metadata":{"user_id":"u-1"}"#),
        (#","safety_identifier":"s-1""#, #","metadata":{"user_id":"s-1"}"#),
        (#","service_tier":"default""#, #","service_tier":"standard_only""#),
        (#","service_tier":"auto""#, #","service_tier":"auto""#),
        (#","n":1,"logprobs":false,"presence_penalty":0,"logit_bias":{},"store":false,"seed":null"#, ""),
        (#","modalities":["text"],"response_format":{"type":"text"},"audio":null"#, ""),
        (#","reasoning_effort":"none""#, #","thinking":{"type":"disabled"}"#),
        (
            #","reasoning_effort":"minimal""#,
            #","thinking":{"type":"adaptive"},"output_config":{"effort":"low"}"#
        ),
        (#","reasoning_effort":"xhigh""#, #","thinking":{"type":"adaptive"},"output_config":{"effort":"xhigh"}"#),
        (
            #","thinking":{"type":"enabled","budget_tokens":2000}"#,
            #","thinking":{"type":"enabled","budget_tokens":2000}"#
        ),
        (
            #","response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object"}}}"#,
            #","output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}"#
        ),
    ]

    @Test("each member that has a counterpart becomes it", arguments: members)
    func carriesMembers(chat: String, messages: String) throws {
        let body = #"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]\#(chat)}"#
        let wanted =
            #"{"model":"up","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]"#
            + messages + "}"
        let result = try DialectFixture.translated(body, from: .chat)
        #expect(try DialectFixture.canonical(String(buffer: result.body)) == DialectFixture.canonical(wanted))
        #expect(result.leftOut.isEmpty)
    }

    @Test(
        "the cap is the caller's, by its newer name where both stand, else the one handed in",
        arguments: [
            (#","max_tokens":7"#, 7), (#","max_completion_tokens":8"#, 8),
            (#","max_tokens":7,"max_completion_tokens":8"#, 8), ("", 4096), (#","max_tokens":null"#, 4096),
        ])
    func caps(member: String, cap: Int) throws {
        let body = #"{"model":"m","messages":[{"role":"user","content":"hi"}]\#(member)}"#
        let result = try DialectFixture.translated(body, from: .chat)
        #expect(try DialectFixture.object(String(buffer: result.body))["max_tokens"] as? Int == cap)
    }

    /// Messages of a chat, and system and messages that they become.
    static let turns: [(String, String)] = [
        (
            #"{"role":"system","content":"be kind"},{"role":"developer","content":[{"type":"text","#
                + #""text":"and short"}]},"#
                + #"{"role":"user","content":"a\u00e9\n"}"#,
            #""system":[{"type":"text","text":"be kind"},{"type":"text","text":"and short"}],"#
                + #""messages":[{"role":"user","content":[{"type":"text","text":"a\u00e9\n"}]}]"#
        ),
        (
            #"{"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":"b","#
                + #""cache_control":{"type":"ephemeral"}}]},"#
                + #"{"role":"assistant","content":"c"},{"role":"user","content":"d"}"#,
            #""messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b","#
                + #""cache_control":{"type":"ephemeral"}}]},"#
                + #"{"role":"assistant","content":[{"type":"text","text":"c"}]},{"role":"user","#
                + #""content":[{"type":"text","text":"d"}]}]"#
        ),
        (
            #"{"role":"user","content":"w?"},{"role":"assistant","content":null,"refusal":null,"#
                + #""annotations":[],"tool_calls":["#
                + #"{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": \"x\\ny\"}"}},"#
                + #"{"id":"c2","type":"function","function":{"name":"g","arguments":""}}]},"#
                + #"{"role":"tool","tool_call_id":"c1","content":"one"},"#
                + #"{"role":"tool","tool_call_id":"c2","name":"g","content":[{"type":"text","text":"two"}]},"#
                + #"{"role":"user","content":"and?"}"#,
            #""messages":[{"role":"user","content":[{"type":"text","text":"w?"}]},{"role":"assistant","content":["#
                + #"{"type":"tool_use","id":"c1","name":"f","input":{"a":"x\ny"}},{"type":"tool_use","#
                + #""id":"c2","name":"g","input":{}}]},"#
                + #"{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"one"},"#
                + #"{"type":"tool_result","tool_use_id":"c2","content":[{"type":"text","text":"two"}]},"#
                + #"{"type":"text","text":"and?"}]}]"#
        ),
        (
            #"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image\/png;base64,"#
                + #"iVB\/+=","detail":"auto"}},"#
                + #"{"type":"image_url","image_url":{"url":"https://e.org/a.png"}},{"type":"text","text":""}]}"#,
            #""messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","#
                + #""media_type":"image/png","data":"iVB/+="}},"#
                + #"{"type":"image","source":{"type":"url","url":"https://e.org/a.png"}}]}]"#
        ),
        (
            #"{"role":"user","content":"a"},{"role":"assistant","content":""},{"role":"user","content":"b"}"#,
            #""messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]"#
        ),
    ]

    @Test("turns are merged, results come first, images and calls keep what they hold", arguments: turns)
    func carriesTurns(chat: String, messages: String) throws {
        let result = try DialectFixture.translated(#"{"model":"m","max_tokens":9,"messages":[\#(chat)]}"#, from: .chat)
        let wanted = #"{"model":"up","max_tokens":9,\#(messages)}"#
        #expect(try DialectFixture.canonical(String(buffer: result.body)) == DialectFixture.canonical(wanted))
    }

    /// Choice and parallel calls of a chat, and the choice that they become.
    static let choices: [(String, String)] = [
        ("", ""), (#","tool_choice":"auto""#, #","tool_choice":{"type":"auto"}"#),
        (#","tool_choice":"none","parallel_tool_calls":false"#, #","tool_choice":{"type":"none"}"#),
        (#","tool_choice":"required""#, #","tool_choice":{"type":"any"}"#),
        (
            #","tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false"#,
            #","tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}"#
        ),
        (#","parallel_tool_calls":true"#, ""),
        (#","parallel_tool_calls":false"#, #","tool_choice":{"type":"auto","disable_parallel_tool_use":true}"#),
    ]

    @Test("tools and their choice carry over", arguments: choices)
    func carriesTools(chat: String, messages: String) throws {
        let tools =
            #"{"type":"function","function":{"name":"f","description":"d","strict":true,"#
            + #""parameters":{"type":"object"}}},"#
            + #"{"type":"function","function":{"name":"g"}}"#
        let wanted =
            #"{"name":"f","description":"d","strict":true,"input_schema":{"type":"object"}},"#
            + #"{"name":"g","input_schema":{"type":"object","properties":{}}}"#
        let start = #""max_tokens":9,"messages":[{"role":"user","content":"#
        let result = try DialectFixture.translated(
            #"{"model":"m",\#(start)"hi"}],"tools":[\#(tools)]\#(chat)}"#, from: .chat)
        let expected = #"{"model":"up",\#(start)[{"type":"text","text":"hi"}]}],"tools":[\#(wanted)]\#(messages)}"#
        #expect(try DialectFixture.canonical(String(buffer: result.body)) == DialectFixture.canonical(expected))
    }

    /// Members that cannot carry over, and the parameter that the refusal names.
    static let refused: [(String, String, ErrorCode)] = [
        (#""n":2"#, "n", .capabilityUnsupported), (#""logprobs":true"#, "logprobs", .capabilityUnsupported),
        (#""top_logprobs":3"#, "top_logprobs", .capabilityUnsupported),
        (#""logit_bias":{"5":1}"#, "logit_bias", .capabilityUnsupported),
        (#""seed":7"#, "seed", .capabilityUnsupported), (#""audio":{}"#, "audio", .capabilityUnsupported),
        (#""modalities":["text","audio"]"#, "modalities", .capabilityUnsupported),
        (#""frequency_penalty":0.5"#, "frequency_penalty", .capabilityUnsupported),
        (#""store":true"#, "store", .capabilityUnsupported),
        (#""service_tier":"flex""#, "service_tier", .capabilityUnsupported),
        (#""prediction":{}"#, "prediction", .capabilityUnsupported),
        (#""verbosity":"low""#, "verbosity", .capabilityUnsupported),
        (#""web_search_options":{}"#, "web_search_options", .capabilityUnsupported),
        (#""functions":[{}]"#, "functions", .capabilityUnsupported),
        (#""something_new":1"#, "something_new", .capabilityUnsupported),
        (#""temperature":1.5"#, "temperature", .validationError),
        (#""response_format":{"type":"json_object"}"#, "response_format.type", .capabilityUnsupported),
        (
            #""response_format":{"type":"json_schema","json_schema":{"name":"x"}}"#,
            "response_format.json_schema.schema", .validationError
        ),
        (#""reasoning_effort":"extreme""#, "reasoning_effort", .validationError),
        (#""reasoning_effort":"low","thinking":{"type":"adaptive"}"#, "reasoning_effort", .validationError),
        (#""tool_choice":"required""#, "tool_choice", .validationError),
        (#""tools":[{"type":"custom","custom":{}}]"#, "tools[0].type", .capabilityUnsupported),
        (
            #""tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"allowed_tools"}"#,
            "tool_choice", .capabilityUnsupported
        ),
    ]

    @Test("what cannot carry over is refused by its name", arguments: refused)
    func refuses(member: String, parameter: String, code: ErrorCode) {
        let body = #"{"model":"m","messages":[{"role":"user","content":"hi"}],\#(member)}"#
        let problem = DialectFixture.refusal(body, from: .chat)
        #expect(problem?.code == code)
        #expect(problem?.parameter == parameter)
        #expect(problem?.hint.isEmpty == false)
    }

    static let refusedTurns: [(String, String)] = [
        (#"{"role":"user","content":"a"},{"role":"system","content":"late"}"#, "messages[1].role"),
        (#"{"role":"function","name":"f","content":"x"}"#, "messages[0].role"),
        (#"{"role":"user","name":"ann","content":"x"}"#, "messages[0].name"),
        (#"{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}"#, "messages[0].content[0].type"),
        (#"{"role":"user","content":[{"type":"file","file":{}}]}"#, "messages[0].content[0].type"),
        (
            #"{"role":"user","content":[{"type":"image_url","image_url":{"url":"ftp://x"}}]}"#,
            "messages[0].content[0].image_url.url"
        ),
        (
            #"{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"c","#
                + #""function":{"name":"f","arguments":"[1]"}}]}"#,
            "messages[1].tool_calls[0].function.arguments"
        ),
        (#"{"role":"assistant","content":"a","function_call":{}}"#, "messages[0].function_call"),
        (#"{"role":"user","content":"a"},{"role":"tool","tool_call_id":"c","content":"x"}"#, "messages[1]"),
        (#"{"role":"tool","content":"x"}"#, "messages[0].tool_call_id"),
        (#"{"role":"system","content":"only"}"#, "messages"),
    ]

    @Test("a message that cannot carry over is refused with its place", arguments: refusedTurns)
    func refusesTurns(messages: String, parameter: String) {
        let problem = DialectFixture.refusal(#"{"model":"m","messages":[\#(messages)]}"#, from: .chat)
        #expect(problem?.parameter == parameter)
    }

    @Test("hints that change no answer are left out, and told")
    func leavesOut() throws {
        let body =
            #"{"model":"m","metadata":{"a":"b"},"prompt_cache_key":"k","messages":[{"role":"user","content":["#
            + #"{"type":"image_url","image_url":{"url":"https://e.org/a.png","detail":"high"}}]},"#
            + #"{"role":"assistant","content":"x","reasoning_content":"hm"},{"role":"user","content":"y"}]}"#
        let result = try DialectFixture.translated(body, from: .chat)
        #expect(
            result.leftOut == ["metadata", "prompt_cache_key", "image_url.detail", "messages.reasoning_content"])
        #expect(!String(buffer: result.body).contains("hm"))
    }
}
