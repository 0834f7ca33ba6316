import Gateway
import Inference
import Kernel
import NIOCore
import Testing

@Suite struct MessagesToChatTests {
    /// Members of the body beside model, messages and cap, and what becomes of them.
    static let members: [(String, String)] = [
        ("", ""),
        (#","temperature":1,"top_p":0.5"#, #","temperature":1,"top_p":0.5"#),
        (#","stop_sequences":["a","b"]"#, #","stop":["a","b"]"#),
        (#","stop_sequences":[],"mcp_servers":[],"system":null"#, ""),
        (#","stream":true"#, #","stream":true,"stream_options":{"include_usage":true}"#),
        (#","stream":false"#, ""),
        (#","metadata":{"user_id":"u"}"#, #","user":"u""#),
        (#","service_tier":"standard_only""#, #","service_tier":"default""#),
        (#","service_tier":"auto","thinking":{"type":"disabled"}"#, ""),
        (#","thinking":{"type":"enabled","budget_tokens":1024}"#, #","reasoning_effort":"low""#),
        (#","thinking":{"type":"enabled","budget_tokens":10000}"#, #","reasoning_effort":"medium""#),
        (#","thinking":{"type":"enabled","budget_tokens":32000}"#, #","reasoning_effort":"high""#),
        (
            #","thinking":{"type":"enabled","budget_tokens":32000},"output_config":{"effort":"max"}"#,
            #","reasoning_effort":"xhigh""#
        ),
        (
            #","output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}"#,
            #","response_format":{"type":"json_schema","json_schema":{"name":"answer","strict":true,"#
                + #""schema":{"type":"object"}}}"#
        ),
    ]

    @Test("each member that has a counterpart becomes it", arguments: members)
    func carriesMembers(messages: String, chat: String) throws {
        let start = #""max_tokens":9,"messages":[{"role":"user","content":"hi"}]"#
        let result = try DialectFixture.translated(#"{"model":"m",\#(start)\#(messages)}"#, from: .messages)
        let wanted = #"{"model":"up",\#(start)\#(chat)}"#
        #expect(try DialectFixture.canonical(String(buffer: result.body)) == DialectFixture.canonical(wanted))
        #expect(result.leftOut.isEmpty)
    }

    @Test("the cap goes by the name that the upstream takes, and top_k to those who take it")
    func upstreamTerms() throws {
        let body = #"{"model":"m","max_tokens":9,"top_k":5,"messages":[{"role":"user","content":"hi"}]}"#
        let terms = UpstreamTerms(model: "up", cap: 1, capName: .maxCompletionTokens, takesTopK: true)
        let object = try DialectFixture.object(
            String(buffer: try DialectFixture.translated(body, from: .messages, terms).body))
        #expect(object["max_completion_tokens"] as? Int == 9)
        #expect(object["max_tokens"] == nil)
        #expect(object["top_k"] as? Int == 5)
        #expect(DialectFixture.refusal(body, from: .messages)?.parameter == "top_k")
    }

    /// System and messages, and the messages of a chat that they become.
    static let turns: [(String, String)] = [
        (
            #""system":"be kind","messages":[{"role":"user","content":[{"type":"text","text":"a\u00e9\n"}]}]"#,
            #"{"role":"system","content":"be kind"},{"role":"user","content":"a\u00e9\n"}"#
        ),
        (
            #""system":[{"type":"text","text":"one"},{"type":"text","text":"two"}],"messages":[{"role":"user","#
                + #""content":"x"},"#
                + #"{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},"#
                + #"{"role":"user","content":"y"}]"#,
            #"{"role":"system","content":"one\n\ntwo"},{"role":"user","content":"x"},{"role":"assistant","#
                + #""content":"ab"},"#
                + #"{"role":"user","content":"y"}"#
        ),
        (
            #""messages":[{"role":"user","content":"w?"},{"role":"assistant","content":["#
                + #"{"type":"tool_use","id":"c1","name":"f","input":{"a": "x\ny"}},{"type":"tool_use","#
                + #""id":"c2","name":"g","input":{}}]},"#
                + #"{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"one"},"#
                + #"{"type":"tool_result","tool_use_id":"c2","is_error":false,"content":[{"type":"text","#
                + #""text":"t"},{"type":"text","text":"u"}]},"#
                + #"{"type":"text","text":"and?"}]}]"#,
            #"{"role":"user","content":"w?"},{"role":"assistant","content":null,"tool_calls":["#
                + #"{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": \"x\\ny\"}"}},"#
                + #"{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]},"#
                + #"{"role":"tool","tool_call_id":"c1","content":"one"},{"role":"tool","tool_call_id":"c2","#
                + #""content":"t\nu"},"#
                + #"{"role":"user","content":"and?"}"#
        ),
        (
            #""messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","#
                + #""media_type":"image/png","data":"iVB/+="}},"#
                + #"{"type":"image","source":{"type":"url","url":"https://e.org/a.png"}},{"type":"text","#
                + #""text":"?"}]}]"#,
            #"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVB/+="}},"#
                + #"{"type":"image_url","image_url":{"url":"https://e.org/a.png"}},{"type":"text","text":"?"}]}"#
        ),
        (
            #""messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","#
                + #""id":"c","name":"f","input":{}}]},"#
                + #"{"role":"user","content":[{"type":"tool_result","tool_use_id":"c"}]}]"#,
            #"{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":["#
                + #"{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"#
                + #"{"role":"tool","tool_call_id":"c","content":""}"#
        ),
    ]

    @Test("results of tools become messages of their own, images and calls keep what they hold", arguments: turns)
    func carriesTurns(messages: String, chat: String) throws {
        let result = try DialectFixture.translated(#"{"model":"m","max_tokens":9,\#(messages)}"#, from: .messages)
        let wanted = #"{"model":"up","max_tokens":9,"messages":[\#(chat)]}"#
        #expect(try DialectFixture.canonical(String(buffer: result.body)) == DialectFixture.canonical(wanted))
    }

    static let choices: [(String, String)] = [
        ("", ""), (#","tool_choice":{"type":"auto"}"#, #","tool_choice":"auto""#),
        (#","tool_choice":{"type":"none"}"#, #","tool_choice":"none""#),
        (
            #","tool_choice":{"type":"any","disable_parallel_tool_use":true}"#,
            #","tool_choice":"required","parallel_tool_calls":false"#
        ),
        (
            #","tool_choice":{"type":"tool","name":"f"}"#,
            #","tool_choice":{"type":"function","function":{"name":"f"}}"#
        ),
    ]

    @Test("tools and their choice carry over", arguments: choices)
    func carriesTools(messages: String, chat: String) throws {
        let start = #""max_tokens":9,"messages":[{"role":"user","content":"hi"}]"#
        let tools =
            #"{"name":"f","description":"d","strict":true,"input_schema":{"type":"object"}},"#
            + #"{"type":"custom","name":"g","input_schema":{}}"#
        let wanted =
            #"{"type":"function","function":{"name":"f","description":"d","strict":true,"#
            + #""parameters":{"type":"object"}}},"#
            + #"{"type":"function","function":{"name":"g","parameters":{}}}"#
        let result = try DialectFixture.translated(
            #"{"model":"m",\#(start),"tools":[\#(tools)]\#(messages)}"#, from: .messages)
        let expected = #"{"model":"up",\#(start),"tools":[\#(wanted)]\#(chat)}"#
        #expect(try DialectFixture.canonical(String(buffer: result.body)) == DialectFixture.canonical(expected))
    }

    static let refused: [(String, String, ErrorCode)] = [
        (#""container":"c""#, "container", .capabilityUnsupported),
        (#""mcp_servers":[{}]"#, "mcp_servers", .capabilityUnsupported),
        (#""context_management":{}"#, "context_management", .capabilityUnsupported),
        (#""something_new":1"#, "something_new", .capabilityUnsupported),
        (#""metadata":{"other":1}"#, "metadata.other", .capabilityUnsupported),
        (#""thinking":{"type":"odd"}"#, "thinking.type", .validationError),
        (#""thinking":{"type":"enabled"}"#, "thinking.budget_tokens", .validationError),
        (#""output_config":{"task_budget":{}}"#, "output_config.task_budget", .capabilityUnsupported),
        (#""output_config":{"effort":"odd"}"#, "output_config.effort", .validationError),
        (#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#, "tools[0].type", .capabilityUnsupported),
        (#""tools":[{"name":"f","input_examples":[]}]"#, "tools[0].input_examples", .capabilityUnsupported),
        (#""tool_choice":{"type":"any"}"#, "tool_choice", .validationError),
        (#""tools":[{"name":"f"}],"tool_choice":{"type":"odd"}"#, "tool_choice.type", .validationError),
    ]

    @Test("what cannot carry over is refused by its name", arguments: refused)
    func refuses(member: String, parameter: String, code: ErrorCode) {
        let body = #"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}],\#(member)}"#
        let problem = DialectFixture.refusal(body, from: .messages)
        #expect(problem?.code == code)
        #expect(problem?.parameter == parameter)
    }

    static let refusedTurns: [(String, String)] = [
        (#"{"role":"system","content":"x"}"#, "messages[0].role"),
        (#"{"role":"user"}"#, "messages[0].content"),
        (#"{"role":"user","content":"x","name":"ann"}"#, "messages[0].name"),
        (#"{"role":"user","content":[{"type":"document","source":{}}]}"#, "messages[0].content[0].type"),
        (#"{"role":"user","content":[{"type":"search_result"}]}"#, "messages[0].content[0].type"),
        (
            #"{"role":"user","content":[{"type":"image","source":{"type":"file","file_id":"f"}}]}"#,
            "messages[0].content[0].source.type"
        ),
        (
            #"{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"image"}]}]}"#,
            "messages[0].content[0].content[0].type"
        ),
        (
            #"{"role":"user","content":[{"type":"text","text":"x"},{"type":"tool_result","tool_use_id":"c"}]}"#,
            "messages[0].content[1]"
        ),
        (
            #"{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"server_tool_use"}]}"#,
            "messages[1].content[0].type"
        ),
        (#"{"role":"user","content":"x"},{"role":"assistant","content":"The answer is ("}"#, "messages"),
    ]

    @Test("a message that cannot carry over is refused with its place", arguments: refusedTurns)
    func refusesTurns(messages: String, parameter: String) {
        let body = #"{"model":"m","max_tokens":9,"messages":[\#(messages)]}"#
        #expect(DialectFixture.refusal(body, from: .messages)?.parameter == parameter)
    }

    @Test("what changes no answer is left out, and told")
    func leavesOut() throws {
        let body =
            #"{"model":"m","max_tokens":9,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"#
            + #""thinking":{"type":"adaptive","display":"omitted"},"messages":[{"role":"user","content":"x"},"#
            + #"{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},"#
            + #"{"type":"tool_use","id":"c","name":"f","input":{}}]},"#
            + #"{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","is_error":true,"content":"no"}]}]}"#
        let result = try DialectFixture.translated(body, from: .messages)
        #expect(
            result.leftOut == ["thinking.display", "cache_control", "messages.thinking", "tool_result.is_error"])
        #expect(!String(buffer: result.body).contains("hm"))
    }

    @Test("a caller's own word is told by no name: it would stand in a header field")
    func ownWords() throws {
        let body =
            #"{"model":"m","max_tokens":9,"thinking":{"type":"adaptive","x\r\nset-cookie: a=b\r\n\r\n":1},"#
            + #""messages":[{"role":"user","content":"x"}]}"#
        #expect(try DialectFixture.translated(body, from: .messages).leftOut == ["thinking"])
    }
}
