import Inference
import Kernel
import NIOCore

/// Makes a request for Anthropic's messages from one for OpenAI's chat.
struct MessagesRequest {
    private let terms: UpstreamTerms
    private var writer: JSONWriter
    private var leftOut = LeftOut()

    static func make(
        from root: JSONNode, _ terms: UpstreamTerms, in buffer: ByteBuffer
    ) throws(Problem) -> TranslatedRequest {
        var request = MessagesRequest(terms: terms, writer: JSONWriter(buffer))
        try request.write(try ChatMembers(root))
        return TranslatedRequest(body: request.writer.buffer, leftOut: request.leftOut.names)
    }

    private init(terms: UpstreamTerms, writer: JSONWriter) {
        self.terms = terms
        self.writer = writer
    }

    private mutating func write(_ members: ChatMembers) throws(Problem) {
        leftOut = members.leftOut
        writer.beginObject()
        writer.member("model", text: terms.model)
        if let cap = members.cap, cap.integer != nil {
            writer.member("max_tokens", cap)
        } else {
            writer.member("max_tokens", integer: terms.cap)
        }
        if let isStream = members.isStream { writer.member("stream", isStream) }
        for (name, value) in members.sampling { writer.member(name, value) }
        try writeStop(members.stop)
        if let tier = members.serviceTier { writer.member("service_tier", literal: tier) }
        if let user = members.user ?? members.safetyUser {
            writer.name("metadata")
            writer.beginObject()
            writer.member("user_id", user)
            writer.endObject()
        }
        try writeTools(members)
        try writeOutput(members)
        guard let messages = members.messages else { throw Problem(.validationError, parameter: "messages") }
        var turns = MessagesTurns(writer: writer, leftOut: leftOut)
        try turns.write(messages)
        (writer, leftOut) = (turns.writer, turns.leftOut)
        writer.endObject()
    }

    private mutating func writeStop(_ stop: JSONNode?) throws(Problem) {
        guard let stop else { return }
        writer.name("stop_sequences")
        if stop.kind == .string {
            writer.beginArray()
            writer.value(stop)
            writer.endArray()
        } else {
            writer.value(try stop.array("stop"))
        }
    }

    // MARK: Tools

    private mutating func writeTools(_ members: ChatMembers) throws(Problem) {
        guard let tools = members.tools, !tools.isEmpty else {
            guard let choice = members.toolChoice, choice.string.map({ $0 == "none" || $0 == "auto" }) != true else {
                return
            }
            throw Untranslatable.wrong("tool_choice", "asks for tools, and there are none", "Send `tools` too.")
        }
        writer.name("tools")
        writer.beginArray()
        for (index, tool) in tools.elements.enumerated() { try writeTool(tool, "tools[\(index)]") }
        writer.endArray()
        try writeChoice(members.toolChoice, isParallel: members.allowsParallelCalls)
    }

    private mutating func writeTool(_ tool: JSONNode, _ path: String) throws(Problem) {
        guard let type = try tool.object(path).string("type"), type == "function" else {
            throw Untranslatable.problem(path + ".type", over: .anthropic, hint: "Use tools of the type `function`.")
        }
        writer.beginObject()
        var hasSchema = false
        for (name, value) in tool.members where !value.isNull && !(name == "type") {
            if name == "function" {
                hasSchema = try writeFunction(value, path + ".function")
            } else if name == "cache_control" {
                writer.member("cache_control", value)
            } else {
                throw Untranslatable.problem("\(path).\(name.text)", over: .anthropic)
            }
        }
        // A function without parameters takes none.
        if !hasSchema { writer.member("input_schema", literal: #"{"type":"object","properties":{}}"#) }
        writer.endObject()
    }

    /// - Returns: whether it has a schema.
    private mutating func writeFunction(_ function: JSONNode, _ path: String) throws(Problem) -> Bool {
        var hasSchema = false
        for (name, value) in try function.object(path).members where !value.isNull {
            switch name.text {
            case "name": writer.member("name", try value.text(path + ".name"))
            case "description": writer.member("description", try value.text(path + ".description"))
            case "strict": writer.member("strict", value)
            case "parameters":
                writer.member("input_schema", try value.object(path + ".parameters"))
                hasSchema = true
            case let other: throw Untranslatable.problem("\(path).\(other)", over: .anthropic)
            }
        }
        return hasSchema
    }

    private mutating func writeChoice(_ choice: JSONNode?, isParallel: Bool) throws(Problem) {
        var type: StaticString = #""auto""#
        var tool: JSONString?
        switch choice?.kind {
        case .string:
            let word = try choice?.text("tool_choice").text ?? ""
            switch word {
            case "auto": break
            case "none": type = #""none""#
            case "required": type = #""any""#
            default:
                throw Untranslatable.wrong(
                    "tool_choice", "is not known", "Send `none`, `auto`, `required`, or an object naming a tool.")
            }
        case .object:
            guard let name = choice?["function"]?.string("name") else {
                throw Untranslatable.problem(
                    "tool_choice", over: .anthropic, hint: "Name one function, or choose among the words.")
            }
            type = #""tool""#
            tool = name
        default: if isParallel { return }
        }
        writer.name("tool_choice")
        writer.beginObject()
        writer.member("type", literal: type)
        if let tool { writer.member("name", tool) }
        // Whoever calls none calls none at once.
        if !isParallel, choice?.string.map({ $0 == "none" }) != true {
            writer.member("disable_parallel_tool_use", literal: "true")
        }
        writer.endObject()
    }

    // MARK: Thinking and format

    private mutating func writeOutput(_ members: ChatMembers) throws(Problem) {
        if members.effort != nil, members.thinking != nil {
            throw Untranslatable.wrong(
                "reasoning_effort", "stands beside `thinking`, and both say how much to think", "Send one of them.")
        }
        if let thinking = members.thinking { writer.member("thinking", thinking) }
        var effort: StaticString?
        if let word = members.effort?.text {
            effort = try Self.effort(word)
            // Thinking as it sees fit, so that earlier turns need no signed thoughts, which chat has no place for.
            writer.member("thinking", literal: effort == nil ? #"{"type":"disabled"}"# : #"{"type":"adaptive"}"#)
        }
        let schema = try schema(members.format)
        guard effort != nil || schema != nil else { return }
        writer.name("output_config")
        writer.beginObject()
        if let effort { writer.member("effort", literal: effort) }
        if let schema {
            writer.name("format")
            writer.beginObject()
            writer.member("type", literal: #""json_schema""#)
            writer.member("schema", schema)
            writer.endObject()
        }
        writer.endObject()
    }

    /// - Returns: nil for no thinking at all.
    private static func effort(_ word: String) throws(Problem) -> StaticString? {
        switch word {
        case "none": nil
        case "minimal", "low": #""low""#
        case "medium": #""medium""#
        case "high": #""high""#
        case "xhigh": #""xhigh""#
        case "max": #""max""#
        default:
            throw Untranslatable.wrong(
                "reasoning_effort", "is not known", "Send `none`, `minimal`, `low`, `medium`, `high` or `xhigh`.")
        }
    }

    private mutating func schema(_ format: JSONNode?) throws(Problem) -> JSONNode? {
        guard let format, let type = format.string("type"), !(type == "text") else { return nil }
        guard type == "json_schema" else {
            throw Untranslatable.problem(
                "response_format.type", over: .anthropic, hint: "Use `json_schema`, with the schema of the answer.")
        }
        guard let schema = format["json_schema"]?["schema"], schema.kind == .object else {
            throw Untranslatable.wrong(
                "response_format.json_schema.schema", "is missing", "Send the JSON schema of the answer.")
        }
        if format["json_schema"]?["description"]?.kind == .string {
            leftOut.add("response_format.json_schema.description")
        }
        return schema
    }
}
