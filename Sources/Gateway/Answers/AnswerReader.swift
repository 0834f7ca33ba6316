package import Inference

/// What the gateway picks out of an upstream's JSON: one answer, or one event of a stream.
package struct AnswerFacts: Sendable, Equatable {
    /// Nil when there is no `usage`, or it is null.
    package var usage: Usage?
    /// Where the value of `model` stands, in bytes from the start.
    package var modelSpan: Range<Int>?
    /// Where the member `usage` stands with its name and one comma beside it: what to leave out to strip it.
    package var usageMember: Range<Int>?
    package var hasError = false
    /// Whether `choices` is there and empty, as in the usage event that closes a stream.
    package var hasEmptyChoices = false
    /// Whether any choice carries something that a model produced.
    package var hasContent = false
}

/// Reads an upstream's JSON object once, checking all of it.
package enum AnswerReader {
    /// - Returns: nil when the bytes are not one JSON object.
    package static func read(_ bytes: UnsafeRawBufferPointer) -> AnswerFacts? {
        var facts = AnswerFacts()
        var scanner = JSONScanner(bytes)
        do throws(JSONFault) {
            guard try scanner.peek() == .object else { return nil }
            try scanner.object { (scanner, name) throws(JSONFault) in
                try member(name, in: &scanner, facts: &facts)
                if facts.usage != nil, facts.usageMember == nil {
                    facts.usageMember = span(of: name, until: scanner.offset, in: bytes)
                }
            }
            try scanner.end()
        } catch {
            return nil
        }
        return facts
    }

    /// From a member's name to its end, with the comma before it, or the one behind it when it is the first.
    private static func span(
        of name: JSONString, until end: Int, in bytes: UnsafeRawBufferPointer
    ) -> Range<Int>? {
        guard let base = bytes.baseAddress, let text = name.content.baseAddress else { return nil }
        let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }
        let start = base.distance(to: UnsafeRawPointer(text)) - 1
        var before = start - 1
        while before > 0, isSpace(bytes[before]) { before -= 1 }
        if bytes[before] == UInt8(ascii: ",") { return before..<end }
        var behind = end
        while behind < bytes.count, isSpace(bytes[behind]) { behind += 1 }
        if behind < bytes.count, bytes[behind] == UInt8(ascii: ",") { behind += 1 } else { behind = end }
        return start..<behind
    }

    private static func member(
        _ name: JSONString, in scanner: inout JSONScanner, facts: inout AnswerFacts
    ) throws(JSONFault) {
        let kind = try scanner.peek()
        let start = scanner.offset
        if name == "usage", kind == .object {
            facts.usage = try usage(in: &scanner)
        } else if name == "choices", kind == .array {
            var isEmpty = true
            var hasContent = false
            try scanner.array(depth: 1) { (scanner, _) throws(JSONFault) in
                isEmpty = false
                if try choice(in: &scanner) { hasContent = true }
            }
            facts.hasEmptyChoices = isEmpty
            facts.hasContent = hasContent
        } else {
            try scanner.skipValue(depth: 1)
            if name == "model", kind == .string { facts.modelSpan = start..<scanner.offset }
            if name == "error", kind != .null { facts.hasError = true }
        }
    }

    private static func usage(in scanner: inout JSONScanner) throws(JSONFault) -> Usage? {
        var input: Int?
        var output: Int?
        try scanner.object(depth: 1) { (scanner, name) throws(JSONFault) in
            guard try scanner.peek() == .number else { return try scanner.skipValue(depth: 2) }
            let number = try scanner.integer()
            if name == "prompt_tokens" || name == "input_tokens" { input = number }
            if name == "completion_tokens" || name == "output_tokens" { output = number }
        }
        // Embeddings produce no tokens, and say so by leaving the count out.
        // A count beyond any context is a fault of the upstream's, and would spoil every sum that it is part of.
        let plausible = 0...(1 << 40)
        guard let input, plausible.contains(input), plausible.contains(output ?? 0) else { return nil }
        return Usage(inputTokens: input, outputTokens: output ?? 0, source: .provider)
    }

    /// Whether this element of `choices` carries produced text or tool calls.
    private static func choice(in scanner: inout JSONScanner) throws(JSONFault) -> Bool {
        guard try scanner.peek() == .object else {
            try scanner.skipValue(depth: 2)
            return false
        }
        var hasContent = false
        try scanner.object(depth: 2) { (scanner, name) throws(JSONFault) in
            let kind = try scanner.peek()
            if name == "delta" || name == "message", kind == .object {
                try scanner.object(depth: 3) { (scanner, name) throws(JSONFault) in
                    if try isProduced(name, in: &scanner) { hasContent = true }
                }
            } else if try isProduced(name, in: &scanner) {
                hasContent = true
            }
        }
        return hasContent
    }

    private static func isProduced(_ name: JSONString, in scanner: inout JSONScanner) throws(JSONFault) -> Bool {
        let kind = try scanner.peek()
        if kind == .string, name == "content" || name == "text" || name == "reasoning_content" {
            return try !scanner.string().content.isEmpty
        }
        try scanner.skipValue(depth: 4)
        return kind == .array && name == "tool_calls"
    }
}
