import Gateway
import Inference
import Kernel
import NIOCore
import Testing

/// What the gateway reads of requests for messages and responses.
@Suite struct DialectReadingTests {
    private func read(_ body: String, _ operation: Inference.Operation) throws -> RequestFacts {
        try RequestReader.read(ByteBuffer(string: body), for: operation)
    }

    private func refusal(_ body: String, _ operation: Inference.Operation) -> String? {
        do throws(Problem) {
            _ = try RequestReader.read(ByteBuffer(string: body), for: operation)
            return nil
        } catch {
            return error.code == .validationError ? error.parameter ?? "body" : "\(error.code)"
        }
    }

    static let message = #"{"role":"user","content":"hi"}"#

    static let wrong: [(Inference.Operation, String, String)] = [
        (.messages, #"{"model":"m","messages":[\#(message)]}"#, "max_tokens"),
        (.messages, #"{"model":"m","max_tokens":0,"messages":[\#(message)]}"#, "max_tokens"),
        (.messages, #"{"model":"m","max_tokens":null,"messages":[\#(message)]}"#, "max_tokens"),
        (.messages, #"{"model":"m","max_tokens":1,"messages":[]}"#, "messages"),
        (.messages, #"{"model":"m","max_tokens":1,"messages":"hi"}"#, "messages"),
        (.messages, #"{"model":"m","max_tokens":1,"messages":[{"content":"x"}]}"#, "messages[0].role"),
        (.messages, #"{"model":"m","max_tokens":1,"messages":[\#(message)],"tool_choice":"auto"}"#, "tool_choice"),
        (.messages, #"{"model":"m","max_tokens":1,"messages":[\#(message)],"thinking":{}}"#, "thinking.type"),
        (.messages, #"{"model":"m","max_tokens":1,"messages":[\#(message)],"system":1}"#, "system"),
        (.messages, #"{"model":"m","max_tokens":1,"messages":[\#(message)],"stop_sequences":"x"}"#, "stop_sequences"),
        (.responses, #"{"model":"m"}"#, "input"), (.responses, #"{"model":"m","input":[]}"#, "input"),
        (.responses, #"{"model":"m","input":1}"#, "input"),
        (.responses, #"{"model":"m","input":"x","background":true}"#, "background"),
        (.responses, #"{"model":"m","input":"x","max_output_tokens":0}"#, "max_output_tokens"),
        (.responses, #"{"model":"m","input":"x","stream":"yes"}"#, "stream"),
    ]

    @Test("a request that is not the dialect's is refused by the parameter", arguments: wrong)
    func refuses(operation: Inference.Operation, body: String, parameter: String) {
        #expect(refusal(body, operation) == parameter)
    }

    @Test("messages tell their cap, tools, thinking and images, wherever these stand")
    func messages() throws {
        let facts = try read(
            #"{"model":"m","max_tokens":70,"stream":true,"system":[{"type":"text","text":"s"}],"#
                + #""thinking":{"type":"enabled","budget_tokens":1024},"tools":[{"name":"f"}],"#
                + #""tool_choice":{"type":"tool","name":"f"},"messages":[{"role":"user","content":["#
                + #"{"source":{"type":"base64","data":"aGVsbG8="},"type":"image"},"#
                + #"{"type":"tool_result","content":[{"type":"image","source":{"type":"url","#
                + #""url":"https://e.org/x"}}]},"#
                + #"{"type":"text","text":"what?"}]}]}"#, .messages)
        #expect(facts.outputCap == 70)
        #expect(facts.isStream)
        #expect(facts.wantsUsage)
        #expect(facts.wantsThinking)
        #expect(facts.offersTools)
        #expect(facts.needs == [.tools])
        #expect(facts.images == 2)
        #expect(facts.imageBytes > 40)
        #expect(!facts.hasUnseenParts)
    }

    @Test("a choice that may call nothing needs no tools", arguments: ["auto", "none"])
    func optionalTools(choice: String) throws {
        let facts = try read(
            #"{"model":"m","max_tokens":1,"messages":[\#(Self.message)],"tool_choice":{"type":"\#(choice)"}}"#,
            .messages)
        #expect(facts.needs.isEmpty)
    }

    static let unseen: [(Inference.Operation, String, Bool)] = [
        (.messages, #"{"role":"user","content":[{"type":"document","source":{"type":"base64","data":"x"}}]}"#, true),
        (.messages, #"{"role":"user","content":[{"type":"text","text":"x"}]}"#, false),
        (.responses, #""input":"x","previous_response_id":"resp_1""#, true),
        (.responses, #""input":"x","previous_response_id":null"#, false),
        (.responses, #""input":"x","conversation":{"id":"c"}"#, true),
        (.responses, #""input":"x","prompt":{"id":"p"}"#, true),
        (.responses, #""input":"x","tools":[{"type":"web_search"}]"#, true),
        (.responses, #""input":"x","tools":[{"type":"function","name":"f"}]"#, false),
        (.responses, #""input":[{"type":"item_reference","id":"i"}]"#, true),
        (.responses, #""input":[{"role":"user","content":[{"type":"input_file","file_id":"f"}]}]"#, true),
        (.responses, #""input":[{"role":"user","content":[{"type":"input_text","text":"x"}]}]"#, false),
    ]

    @Test("what is only named in the body has no known size", arguments: unseen)
    func unseenParts(operation: Inference.Operation, part: String, isUnseen: Bool) throws {
        let body =
            operation == .messages ? #"{"model":"m","max_tokens":1,"messages":[\#(part)]}"# : #"{"model":"m",\#(part)}"#
        #expect(try read(body, operation).hasUnseenParts == isUnseen)
    }

    @Test("a response's cap and images are read, and its input is one prompt")
    func responses() throws {
        let facts = try read(
            #"{"model":"m","max_output_tokens":50,"input":[{"role":"user","content":[{"type":"input_image","#
                + #""image_url":"data:image/png;base64,aGk="},{"type":"input_text","text":"?"}]},"#
                + #"{"role":"user","content":"x"}]}"#,
            .responses)
        #expect(facts.outputCap == 50)
        #expect(facts.images == 1)
        #expect(facts.prompts == 1)
    }

    @Test("another operation's cap is no cap", arguments: [Inference.Operation.messages, .responses, .chat])
    func foreignCaps(operation: Inference.Operation) throws {
        let (body, cap): (String, Int?) =
            switch operation {
            case .messages: (#""max_tokens":9,"messages":[\#(Self.message)],"n_predict":50000"#, 9)
            case .responses: (#""input":"x","max_tokens":50000"#, nil)
            case .chat, .completions, .embeddings: (#""messages":[\#(Self.message)],"max_output_tokens":50000"#, nil)
            }
        #expect(try read(#"{"model":"m",\#(body)}"#, operation).outputCap == cap)
    }
}
