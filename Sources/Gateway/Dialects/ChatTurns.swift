import Inference
import Kernel
import NIOCore

/// Writes the `messages` of a chat from `system` and `messages` of a request for Anthropic's messages.
struct ChatTurns {
    private(set) var writer: JSONWriter
    private(set) var leftOut: LeftOut

    init(writer: JSONWriter, leftOut: LeftOut) {
        self.writer = writer
        self.leftOut = leftOut
    }

    mutating func write(_ messages: JSONNode, system: JSONNode?) throws(Problem) {
        writer.name("messages")
        writer.beginArray()
        if let system { try writeSystem(system) }
        var isLastAssistant = false
        for (index, message) in messages.elements.enumerated() {
            let path = "messages[\(index)]"
            isLastAssistant = false
            for (name, value) in message.members where !value.isNull && !(name == "role" || name == "content") {
                throw Untranslatable.problem("\(path).\(name.text)", over: .openAI)
            }
            guard let content = message["content"], !content.isNull else {
                throw Untranslatable.wrong(path + ".content", "is missing", "Send a text, or an array of blocks.")
            }
            if content.kind != .string { _ = try content.array(path + ".content") }
            switch message.string("role")?.text {
            case "user": try writeUser(content, path + ".content")
            case "assistant":
                try writeAssistant(content, path + ".content")
                isLastAssistant = true
            default: throw Untranslatable.wrong(path + ".role", "is not known", "Send `user` or `assistant`.")
            }
        }
        writer.endArray()
        // Anthropic's models go on from there; in chat it would be an answer given before, and another one follow it.
        if isLastAssistant {
            throw Untranslatable.problem(
                "messages", over: .openAI,
                hint: "End with a message of the role `user`: an answer cannot be begun here.")
        }
    }

    private mutating func writeSystem(_ system: JSONNode) throws(Problem) {
        if let text = system.string {
            guard !text.content.isEmpty else { return }
            begin(#""system""#)
            writer.member("content", text)
            return writer.endObject()
        }
        guard !(try system.array("system").isEmpty) else { return }
        begin(#""system""#)
        writer.name("content")
        // One text, since some runtimes take no parts there.
        try writeJoined(system, "system", separator: #"\n\n"#)
        writer.endObject()
    }

    // MARK: User

    /// Results of tools come first and are messages of their own; what is said beside them follows as one.
    private mutating func writeUser(_ content: JSONNode, _ path: String) throws(Problem) {
        if let text = content.string {
            begin(#""user""#)
            writer.member("content", text)
            return writer.endObject()
        }
        var others = 0
        var hasResults = false
        for (index, block) in content.elements.enumerated() {
            guard let type = block.string("type"), type == "tool_result" else {
                others += 1
                continue
            }
            guard others == 0 else {
                throw Untranslatable.wrong(
                    "\(path)[\(index)]", "is a tool's result behind other content", "Put tools' results first.")
            }
            hasResults = true
            try writeResult(block, "\(path)[\(index)]")
        }
        guard others > 0 || !hasResults else { return }
        begin(#""user""#)
        writer.name("content")
        try writeParts(content, path, count: others)
        writer.endObject()
    }

    private mutating func writeParts(_ content: JSONNode, _ path: String, count: Int) throws(Problem) {
        let isText = content.elements.allSatisfy { block in
            block.string("type").map { $0 == "text" || $0 == "tool_result" } ?? false
        }
        // The plainest form is the one that every runtime takes.
        if isText, count <= 1 { return try writeJoined(content, path, separator: "") }
        writer.beginArray()
        for (index, block) in content.elements.enumerated() {
            let path = "\(path)[\(index)]"
            switch block.string("type")?.text {
            case "tool_result": break
            case "text":
                let text = try text(of: block, path)
                writer.beginObject()
                writer.member("type", literal: #""text""#)
                writer.member("text", text)
                writer.endObject()
            case "image": try ImageParts.writePart(of: block, path, leftOut: &leftOut, to: &writer)
            default: throw Untranslatable.problem(path + ".type", over: .openAI)
            }
        }
        writer.endArray()
    }

    private mutating func writeResult(_ block: JSONNode, _ path: String) throws(Problem) {
        guard let id = block.string("tool_use_id") else {
            throw Untranslatable.wrong(path + ".tool_use_id", "is missing", "Send the `id` of the call.")
        }
        begin(#""tool""#)
        writer.member("tool_call_id", id)
        writer.name("content")
        if let content = block["content"], !content.isNull {
            if let text = content.string {
                writer.string(text)
            } else {
                try writeJoined(try content.array(path + ".content"), path + ".content", separator: #"\n"#)
            }
        } else {
            writer.literal(#""""#)
        }
        writer.endObject()
        for (name, value) in block.members where !value.isNull {
            switch name.text {
            case "type", "tool_use_id", "content": break
            // The result's own text says what went wrong.
            case "is_error": if value.boolean != false { leftOut.add("tool_result.is_error") }
            case "cache_control": leftOut.add("cache_control")
            case let other: throw Untranslatable.problem("\(path).\(other)", over: .openAI)
            }
        }
    }

    // MARK: Assistant

    private mutating func writeAssistant(_ content: JSONNode, _ path: String) throws(Problem) {
        begin(#""assistant""#)
        if let text = content.string {
            writer.member("content", text)
            return writer.endObject()
        }
        var calls = 0
        var texts = 0
        for (index, block) in content.elements.enumerated() {
            switch block.string("type")?.text {
            case "text": texts += 1
            case "tool_use": calls += 1
            // Another provider's models cannot read them, and Anthropic's own leave them out of later turns.
            case "thinking", "redacted_thinking": leftOut.add("messages.thinking")
            default: throw Untranslatable.problem("\(path)[\(index)].type", over: .openAI)
            }
        }
        writer.name("content")
        if texts == 0, calls > 0 {
            writer.literal("null")
        } else {
            try writeJoined(content, path, separator: "")
        }
        if calls > 0 { try writeCalls(content, path) }
        writer.endObject()
    }

    private mutating func writeCalls(_ content: JSONNode, _ path: String) throws(Problem) {
        writer.name("tool_calls")
        writer.beginArray()
        for (index, block) in content.elements.enumerated() {
            guard let type = block.string("type"), type == "tool_use" else { continue }
            let path = "\(path)[\(index)]"
            guard let id = block.string("id"), let name = block.string("name") else {
                throw Untranslatable.wrong(path, "is no tool's call", "Send `id`, `name` and `input`.")
            }
            let input = try (block["input"] ?? block).object(path + ".input")
            for (name, value) in block.members where !value.isNull {
                switch name.text {
                case "type", "id", "name", "input": break
                case "cache_control": leftOut.add("cache_control")
                // By whom it was called: what is the client's own is called by the model.
                case "caller" where value.string("type").map({ $0 == "direct" }) ?? false: break
                case let other: throw Untranslatable.problem("\(path).\(other)", over: .openAI)
                }
            }
            writer.beginObject()
            writer.member("id", id)
            writer.member("type", literal: #""function""#)
            writer.name("function")
            writer.beginObject()
            writer.member("name", name)
            writer.name("arguments")
            writer.value { $0.writeJSONString(holding: input.raw) }
            writer.endObject()
            writer.endObject()
        }
        writer.endArray()
    }

    // MARK: Texts

    private mutating func begin(_ role: StaticString) {
        writer.beginObject()
        writer.member("role", literal: role)
    }

    /// The texts of an array of blocks as one string. Calls and thoughts are written elsewhere, or left out.
    /// - Parameter separator: as it stands in JSON.
    private mutating func writeJoined(
        _ blocks: JSONNode, _ path: String, separator: StaticString
    ) throws(Problem) {
        var joined = ByteBuffer()
        var isFirst = true
        for (index, block) in blocks.elements.enumerated() {
            switch block.string("type")?.text {
            case "text":
                let text = try text(of: block, "\(path)[\(index)]")
                if !isFirst { joined.writeStaticString(separator) }
                isFirst = false
                joined.writeBytes(text.content)
            case "tool_use", "tool_result", "thinking", "redacted_thinking": break
            default: throw Untranslatable.problem("\(path)[\(index)].type", over: .openAI)
            }
        }
        writer.value {
            $0.writeStaticString("\"")
            $0.writeImmutableBuffer(joined)
            $0.writeStaticString("\"")
        }
    }

    private mutating func text(of block: JSONNode, _ path: String) throws(Problem) -> JSONString {
        for (name, value) in block.members where !value.isNull {
            switch name.text {
            case "type", "text": break
            case "cache_control": leftOut.add("cache_control")
            case "citations" where value.kind == .array && value.isEmpty: break
            // Which documents a given answer quoted.
            case "citations": leftOut.add("messages.citations")
            case let other: throw Untranslatable.problem("\(path).\(other)", over: .openAI)
            }
        }
        return try block.text("text", in: path)
    }
}
