import Gateway
import Inference
import NIOCore
import Testing

/// Requests of the subset that both dialects have, made by chance.
private struct RandomRequest {
    var generator: SplitMix

    private mutating func chance(_ percent: Int) -> Bool { generator.below(100) < percent }

    private mutating func text() -> String {
        let pieces = ["a", #"\""#, #"\\"#, #"\n"#, #"\u00e9"#, "سلام", "😀", "{}", " ", #"\/"#, "end"]
        return (0...generator.below(5))
            .map { _ in pieces[generator.below(pieces.count)] }.joined()
    }

    private mutating func object() -> String {
        #"{"k":"\#(text())","n":[1,-2.5e3,null,true],"o":{"x":"\#(text())"}}"#
    }

    private mutating func user(after results: [String]) -> String {
        var blocks = results.map { #"{"type":"tool_result","tool_use_id":"\#($0)","content":"\#(text())"}"# }
        if results.isEmpty || chance(30) { blocks.append(#"{"type":"text","text":"\#(text())"}"#) }
        if chance(20) {
            blocks.append(#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}"#)
            blocks.append(#"{"type":"image","source":{"type":"url","url":"https://e.org/\#(blocks.count)"}}"#)
        }
        return #"{"role":"user","content":[\#(blocks.joined(separator: ","))]}"#
    }

    /// A request for messages in the form that a translation writes.
    mutating func messages() -> String {
        var turns: [String] = []
        var open: [String] = []
        for turn in 0...generator.below(5) {
            turns.append(user(after: open))
            open = (0..<generator.below(3)).map { "call_\(turn)_\($0)" }
            var blocks = [#"{"type":"text","text":"\#(text())"}"#]
            blocks += open.map { #"{"type":"tool_use","id":"\#($0)","name":"f","input":\#(object())}"# }
            turns.append(#"{"role":"assistant","content":[\#(blocks.joined(separator: ","))]}"#)
        }
        turns.append(user(after: open))
        var members = [#""model":"up""#, #""max_tokens":\#(1 + generator.below(9999))"#]
        if chance(50) { members.append(#""stream":true"#) }
        if chance(50) { members.append(#""temperature":0.\#(generator.below(10))"#) }
        if chance(30) { members.append(#""stop_sequences":["\#(text())"]"#) }
        if chance(30) { members.append(#""metadata":{"user_id":"\#(text())"}"#) }
        if chance(30) { members.append(#""system":[{"type":"text","text":"\#(text())"}]"#) }
        if chance(30) {
            members.append(#""output_config":{"format":{"type":"json_schema","schema":\#(object())}}"#)
        }
        if chance(50) {
            let tool = #"{"name":"f","description":"\#(text())","strict":true,"input_schema":\#(object())}"#
            let choices = [
                #"{"type":"auto"}"#, #"{"type":"any","disable_parallel_tool_use":true}"#,
                #"{"type":"tool","name":"f"}"#, #"{"type":"none"}"#,
            ]
            members.append(#""tools":[\#(tool)],"tool_choice":\#(choices[generator.below(choices.count)])"#)
        }
        members.append(#""messages":[\#(turns.joined(separator: ","))]"#)
        return "{\(members.joined(separator: ","))}"
    }
}

@Suite struct RoundTripTests {
    @Test("a request that goes to the other dialect and back means what it meant", arguments: [1, 2, 3, 4] as [UInt64])
    func requests(seed: UInt64) throws {
        var random = RandomRequest(generator: SplitMix(state: seed))
        for _ in 0..<500 {
            let request = random.messages()
            let chat = try DialectFixture.translated(request, from: .messages)
            #expect(chat.leftOut.isEmpty, "seed \(seed)")
            let back = try DialectFixture.translated(String(buffer: chat.body), from: .chat)
            #expect(
                try DialectFixture.canonical(String(buffer: back.body)) == DialectFixture.canonical(request),
                "seed \(seed)")
        }
    }

    @Test("a stream that goes to the other dialect and back says what it said", arguments: [true, false])
    func streams(hasCalls: Bool) throws {
        let original = hasCalls ? DialectStreams.calls : DialectStreams.text
        var form = DialectFixture.form
        form.showsThinking = true
        let (chat, first) = try DialectFixture.feed(
            [original], to: DialectFixture.stream(.chat, over: .anthropic, form))
        let (messages, second) = try DialectFixture.feed(
            [chat + String(buffer: first.terminal)], to: DialectFixture.stream(.messages, over: .openAI, form))
        let (again, third) = try DialectFixture.feed(
            [messages + String(buffer: second.terminal)], to: DialectFixture.stream(.chat, over: .anthropic, form))
        #expect(again == chat)
        #expect(first.usage == second.usage)
        #expect(second.usage == third.usage)
        #expect(third.isComplete)
    }
}
