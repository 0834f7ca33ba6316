import Inference
import Kernel
import NIOCore

/// Makes a request for OpenAI's chat from one for Anthropic's messages.
struct ChatRequest {
    private let terms: UpstreamTerms
    private var writer: JSONWriter
    private var leftOut = LeftOut()

    static func make(
        from root: JSONNode, _ terms: UpstreamTerms, in buffer: ByteBuffer
    ) throws(Problem) -> TranslatedRequest {
        var request = ChatRequest(terms: terms, writer: JSONWriter(buffer))
        try request.write(try MessagesMembers(root, terms))
        return TranslatedRequest(body: request.writer.buffer, leftOut: request.leftOut.names)
    }

    private init(terms: UpstreamTerms, writer: JSONWriter) {
        self.terms = terms
        self.writer = writer
    }

    private mutating func write(_ members: MessagesMembers) throws(Problem) {
        leftOut = members.leftOut
        writer.beginObject()
        writer.member("model", text: terms.model)
        writeCap(members.cap)
        if members.isStream {
            writer.member("stream", literal: "true")
            writer.member("stream_options", literal: #"{"include_usage":true}"#)
        }
        for (name, value) in members.sampling { writer.member(name, value) }
        if let stop = members.stop { writer.member("stop", stop) }
        if let user = members.user { writer.member("user", user) }
        if members.isStandardTier { writer.member("service_tier", literal: #""default""#) }
        if let effort = members.effort { writer.member("reasoning_effort", literal: effort) }
        writeFormat(members.schema)
        try writeTools(members)
        guard let messages = members.messages else { throw Problem(.validationError, parameter: "messages") }
        var turns = ChatTurns(writer: writer, leftOut: leftOut)
        try turns.write(messages, system: members.system)
        (writer, leftOut) = (turns.writer, turns.leftOut)
        writer.endObject()
    }

    private mutating func writeCap(_ cap: JSONNode?) {
        switch terms.capName {
        case .maxCompletionTokens: writer.name("max_completion_tokens")
        case .maxTokens, .predict, .maxOutputTokens: writer.name("max_tokens")
        }
        if let cap, cap.integer != nil { writer.value(cap) } else { writer.integer(terms.cap) }
    }

    private mutating func writeFormat(_ schema: JSONNode?) {
        guard let schema else { return }
        writer.name("response_format")
        writer.beginObject()
        writer.member("type", literal: #""json_schema""#)
        writer.name("json_schema")
        writer.beginObject()
        // A name must be there, and Anthropic's formats have none.
        writer.member("name", literal: #""answer""#)
        writer.member("strict", literal: "true")
        writer.member("schema", schema)
        writer.endObject()
        writer.endObject()
    }

    // MARK: Tools

    private mutating func writeTools(_ members: MessagesMembers) throws(Problem) {
        let choice = try toolChoice(members.toolChoice)
        guard let tools = members.tools, !tools.isEmpty else {
            if let choice, choice.isForced {
                throw Untranslatable.wrong("tool_choice", "asks for tools, and there are none", "Send `tools` too.")
            }
            return
        }
        writer.name("tools")
        writer.beginArray()
        for (index, tool) in tools.elements.enumerated() { try writeTool(tool, "tools[\(index)]") }
        writer.endArray()
        guard let choice else { return }
        writer.name("tool_choice")
        if let tool = choice.tool {
            writer.beginObject()
            writer.member("type", literal: #""function""#)
            writer.name("function")
            writer.beginObject()
            writer.member("name", tool)
            writer.endObject()
            writer.endObject()
        } else {
            writer.literal(choice.word)
        }
        if !choice.isParallel { writer.member("parallel_tool_calls", literal: "false") }
    }

    private mutating func writeTool(_ tool: JSONNode, _ path: String) throws(Problem) {
        if let type = try tool.object(path).string("type"), !(type == "custom") {
            // One that Anthropic runs itself, or knows the schema of.
            throw Untranslatable.problem(path + ".type", over: .openAI, hint: "Use tools of your own, with a schema.")
        }
        writer.beginObject()
        writer.member("type", literal: #""function""#)
        writer.name("function")
        writer.beginObject()
        for (name, value) in tool.members where !value.isNull {
            switch name.text {
            case "type": break
            case "name": writer.member("name", try value.text(path + ".name"))
            case "description": writer.member("description", try value.text(path + ".description"))
            case "input_schema": writer.member("parameters", try value.object(path + ".input_schema"))
            case "strict": writer.member("strict", value)
            // Neither says anything to the model.
            case "cache_control": leftOut.add("cache_control")
            case "eager_input_streaming": leftOut.add("tools.eager_input_streaming")
            case let other: throw Untranslatable.problem("\(path).\(other)", over: .openAI)
            }
        }
        writer.endObject()
        writer.endObject()
    }

    private struct ToolChoice {
        let word: StaticString
        var tool: JSONString?
        var isParallel = true
        /// Whether a call must be made.
        let isForced: Bool
    }

    private func toolChoice(_ choice: JSONNode?) throws(Problem) -> ToolChoice? {
        guard let choice else { return nil }
        var result: ToolChoice
        switch choice.string("type")?.text {
        case "auto": result = ToolChoice(word: #""auto""#, isForced: false)
        case "none": result = ToolChoice(word: #""none""#, isForced: false)
        case "any": result = ToolChoice(word: #""required""#, isForced: true)
        case "tool":
            guard let name = choice.string("name") else {
                throw Untranslatable.wrong("tool_choice.name", "is missing", "Send the tool's name.")
            }
            result = ToolChoice(word: "null", tool: name, isForced: true)
        default:
            throw Untranslatable.wrong("tool_choice.type", "is not known", "Send `auto`, `any`, `tool` or `none`.")
        }
        for (name, value) in choice.members where !value.isNull {
            switch name.text {
            case "type", "name": break
            case "disable_parallel_tool_use":
                result.isParallel = !(try value.flag("tool_choice.disable_parallel_tool_use"))
            case let other: throw Untranslatable.problem("tool_choice.\(other)", over: .openAI)
            }
        }
        return result
    }
}
