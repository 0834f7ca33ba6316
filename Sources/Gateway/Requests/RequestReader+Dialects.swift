import Inference
import Kernel

/// What only Anthropic's messages or OpenAI's responses have.
extension RequestReader {
    mutating func note(_ parts: MessageParts) {
        facts.images += parts.images
        facts.imageBytes += parts.imageBytes
        facts.hasUnseenParts = facts.hasUnseenParts || parts.hasUnseen
    }

    mutating func note(parts scanner: inout JSONScanner, depth: Int) throws(JSONFault) {
        var parts = MessageParts()
        try parts.read(&scanner, depth: depth)
        note(parts)
    }

    /// Moves past the tools on offer. Those that a provider runs itself read things that are not in the body.
    mutating func tools(in scanner: inout JSONScanner) throws(JSONFault) {
        var count = 0
        var runsElsewhere = false
        let isResponses = operation == .responses
        try scanner.array(depth: 1) { (scanner, _) throws(JSONFault) in
            count += 1
            guard isResponses, try scanner.peek() == .object else { return try scanner.skipValue(depth: 2) }
            try scanner.object(depth: 2) { (scanner, name) throws(JSONFault) in
                guard name == "type", try scanner.peek() == .string else { return try scanner.skipValue(depth: 3) }
                let type = try scanner.string()
                if !(type == "function" || type == "custom") { runsElsewhere = true }
            }
        }
        facts.offersTools = count > 0
        facts.hasUnseenParts = facts.hasUnseenParts || runsElsewhere
    }

    /// Moves past `thinking` or `tool_choice` of messages, of which the `type` says what is asked.
    mutating func typedObject(_ name: String, in scanner: inout JSONScanner) throws(JSONFault) {
        var type = ""
        try scanner.object(depth: 1) { (scanner, name) throws(JSONFault) in
            guard name == "type", try scanner.peek() == .string else { return try scanner.skipValue(depth: 2) }
            type = try scanner.string().text
        }
        if type.isEmpty {
            complain("\(name).type", "`\(name).type` is missing or not a text.", "Say which kind of `\(name)` it is.")
        }
        switch (name, type) {
        case ("thinking", "enabled"), ("thinking", "adaptive"): facts.wantsThinking = true
        case ("tool_choice", "any"), ("tool_choice", "tool"): facts.needs.insert(.tools)
        default: break
        }
    }

    /// Moves past a response's items.
    mutating func input(in scanner: inout JSONScanner) throws(JSONFault) {
        var count = 0
        var parts = MessageParts()
        var isReference = false
        try scanner.array(depth: 1) { (scanner, _) throws(JSONFault) in
            count += 1
            guard try scanner.peek() == .object else { return try scanner.skipValue(depth: 2) }
            try scanner.object(depth: 2) { (scanner, name) throws(JSONFault) in
                let kind = try scanner.peek()
                if name == "content" || name == "output", kind == .array {
                    try parts.read(&scanner, depth: 3)
                } else if name == "type", kind == .string {
                    if try scanner.string() == "item_reference" { isReference = true }
                } else {
                    try scanner.skipValue(depth: 3)
                }
            }
        }
        note(parts)
        facts.hasUnseenParts = facts.hasUnseenParts || isReference
        if count == 0 { complain("input", "`input` is empty.", "Send a text, or an array with at least one item.") }
    }

    /// Moves past `background`: an answer that comes later than its request would run unmetered.
    mutating func background(in scanner: inout JSONScanner) throws(JSONFault) {
        guard try scanner.boolean() else { return }
        complain(
            "background", "A response in the background is not possible here.", "Leave it out, and wait or stream.")
    }
}

extension RequestFacts.CapName {
    /// A member that is no cap of the operation's passes on unseen, or is refused where it is translated.
    func isKnown(to operation: Operation) -> Bool {
        switch (operation, self) {
        case (.responses, .maxOutputTokens), (.messages, .maxTokens): true
        case (.responses, _), (.messages, _), (_, .maxOutputTokens): false
        case (.chat, _), (.completions, _), (.embeddings, _): true
        }
    }
}
