import Inference
import Kernel
import NIOCore

/// Writes `system` and `messages` of a request for Anthropic's messages from the `messages` of a chat.
///
/// There are two roles that take turns: what stands together for one of them becomes one turn, and a turn that has
/// nothing in it is none.
struct MessagesTurns {
    private(set) var writer: JSONWriter
    private(set) var leftOut: LeftOut

    private enum Role { case user, assistant }
    /// Whose turn is being written.
    private var role: Role?
    /// Whether the turn has something besides tools' results, which must come first.
    private var hasOther = false
    private var hasTurns = false

    init(writer: JSONWriter, leftOut: LeftOut) {
        self.writer = writer
        self.leftOut = leftOut
    }

    mutating func write(_ messages: JSONNode) throws(Problem) {
        let spoken = try writeSystem(messages)
        writer.name("messages")
        writer.beginArray()
        for (index, message) in messages.elements.enumerated() where index >= spoken {
            try write(message, "messages[\(index)]")
        }
        endTurn()
        writer.endArray()
        guard hasTurns else {
            throw Untranslatable.wrong(
                "messages", "has nothing but instructions and empty texts", "Send a message of the role `user`.")
        }
    }

    /// The instructions before the first turn.
    /// - Returns: how many messages they are.
    private mutating func writeSystem(_ messages: JSONNode) throws(Problem) -> Int {
        var count = 0
        for message in messages.elements {
            guard Self.isSystem(message) else { break }
            let path = "messages[\(count)]"
            if count == 0 {
                writer.name("system")
                writer.beginArray()
            }
            count += 1
            for (name, value) in message.members where !value.isNull && !(name == "role") {
                guard name == "content" else { throw Untranslatable.problem("\(path).\(name.text)", over: .anthropic) }
                try writeTexts(value, path + ".content")
            }
        }
        if count > 0 { writer.endArray() }
        return count
    }

    private static func isSystem(_ message: JSONNode) -> Bool {
        message.string("role").map { $0 == "system" || $0 == "developer" } ?? false
    }

    private mutating func write(_ message: JSONNode, _ path: String) throws(Problem) {
        switch message.string("role")?.text {
        case "user": try writeUser(message, path)
        case "assistant": try writeAssistant(message, path)
        case "tool": try writeResult(message, path)
        case "system", "developer":
            throw Untranslatable.problem(
                path + ".role", over: .anthropic, hint: "Put instructions before the first turn of the conversation.")
        default: throw Untranslatable.problem(path + ".role", over: .anthropic)
        }
    }

    // MARK: Turns

    private mutating func begin(_ wanted: Role) {
        guard role != wanted else { return }
        endTurn()
        role = wanted
        hasOther = false
        hasTurns = true
        writer.beginObject()
        writer.member("role", literal: wanted == .user ? #""user""# : #""assistant""#)
        writer.name("content")
        writer.beginArray()
    }

    private mutating func endTurn() {
        guard role != nil else { return }
        role = nil
        writer.endArray()
        writer.endObject()
    }

    // MARK: Roles

    private mutating func writeUser(_ message: JSONNode, _ path: String) throws(Problem) {
        for (name, value) in message.members where !value.isNull && !(name == "role") {
            guard name == "content" else { throw Untranslatable.problem("\(path).\(name.text)", over: .anthropic) }
            try writeParts(value, path + ".content", for: .user)
        }
    }

    private mutating func writeAssistant(_ message: JSONNode, _ path: String) throws(Problem) {
        // What was said comes before the calls, wherever it stands in the object.
        for (name, value) in message.members where !value.isNull {
            if name == "content" || name == "refusal" {
                try writeParts(value, "\(path).\(name.text)", for: .assistant)
            }
        }
        for (name, value) in message.members where !value.isNull {
            switch name.text {
            case "role", "content", "refusal": break
            case "tool_calls":
                for (index, call) in try value.array(path + ".tool_calls").elements.enumerated() {
                    try writeCall(call, "\(path).tool_calls[\(index)]")
                }
            // Thoughts are only taken back with the signature that they were given out with.
            case "reasoning_content", "reasoning", "reasoning_details": leftOut.add("messages.\(name.text)")
            case "annotations" where value.isEmpty: break
            case let other: throw Untranslatable.problem("\(path).\(other)", over: .anthropic)
            }
        }
    }

    private mutating func writeCall(_ call: JSONNode, _ path: String) throws(Problem) {
        guard let id = try call.object(path).string("id"), let function = call["function"],
            let name = function.string("name")
        else {
            throw Untranslatable.wrong(path, "is not a function's call", "Send `id`, and `function` with its `name`.")
        }
        guard let input = ToolArguments.object(in: function.string("arguments")) else {
            throw Untranslatable.wrong(path + ".function.arguments", "is not a JSON object", "Send a text that is one.")
        }
        begin(.assistant)
        writer.beginObject()
        writer.member("type", literal: #""tool_use""#)
        writer.member("id", id)
        writer.member("name", name)
        writer.name("input")
        writer.value { $0.writeString(input) }
        writer.endObject()
    }

    private mutating func writeResult(_ message: JSONNode, _ path: String) throws(Problem) {
        guard let id = message.string("tool_call_id") else {
            throw Untranslatable.wrong(path + ".tool_call_id", "is missing", "Send the `id` of the call.")
        }
        begin(.user)
        if hasOther {
            throw Untranslatable.wrong(
                path, "answers a call after something else was said", "Put a tool's answer right behind its call.")
        }
        writer.beginObject()
        writer.member("type", literal: #""tool_result""#)
        writer.member("tool_use_id", id)
        for (name, value) in message.members where !value.isNull {
            switch name.text {
            // The call's identifier names the tool too.
            case "role", "tool_call_id", "name": break
            case "content":
                writer.name("content")
                if value.kind == .string {
                    writer.value(value)
                } else {
                    writer.beginArray()
                    try writeTexts(value, path + ".content")
                    writer.endArray()
                }
            case let other: throw Untranslatable.problem("\(path).\(other)", over: .anthropic)
            }
        }
        writer.endObject()
    }

    // MARK: Content

    /// A text, or parts that are texts, as text blocks.
    private mutating func writeTexts(_ content: JSONNode, _ path: String) throws(Problem) {
        if let text = content.string { return writeText(text) }
        for (index, part) in try content.array(path).elements.enumerated() {
            let path = "\(path)[\(index)]"
            guard let type = part.string("type"), type == "text" else {
                throw Untranslatable.problem(path + ".type", over: .anthropic)
            }
            try writeText(part, path)
        }
    }

    private mutating func writeParts(_ content: JSONNode, _ path: String, for role: Role) throws(Problem) {
        if let text = content.string {
            guard !text.content.isEmpty else { return }
            begin(role)
            hasOther = true
            return writeText(text)
        }
        for (index, part) in try content.array(path).elements.enumerated() {
            try writePart(part, "\(path)[\(index)]", for: role)
        }
    }

    private mutating func writePart(_ part: JSONNode, _ path: String, for role: Role) throws(Problem) {
        switch (part.string("type")?.text, role) {
        case ("text", _):
            // Anthropic refuses empty texts, which say nothing.
            guard part.string("text")?.content.isEmpty != true else { return }
            begin(role)
            try writeText(part, path)
        case ("refusal", .assistant):
            begin(role)
            writeText(try part.text("refusal", in: path))
        case ("image_url", .user):
            begin(role)
            try ImageParts.writeBlock(of: part, path, leftOut: &leftOut, to: &writer)
        default: throw Untranslatable.problem(path + ".type", over: .anthropic)
        }
        hasOther = true
    }

    /// A part with its text and what stands beside it.
    private mutating func writeText(_ part: JSONNode, _ path: String) throws(Problem) {
        if part.string("text")?.content.isEmpty == true { return }
        writer.beginObject()
        writer.member("type", literal: #""text""#)
        writer.member("text", try part.text("text", in: path))
        for (name, value) in part.members where !value.isNull && !(name == "type") && !(name == "text") {
            guard name == "cache_control" else {
                throw Untranslatable.problem("\(path).\(name.text)", over: .anthropic)
            }
            writer.member("cache_control", value)
        }
        writer.endObject()
    }

    private mutating func writeText(_ text: JSONString) {
        guard !text.content.isEmpty else { return }
        writer.beginObject()
        writer.member("type", literal: #""text""#)
        writer.member("text", text)
        writer.endObject()
    }
}
