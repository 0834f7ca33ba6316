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
    /// Whether any choice carries something that a model produced, and how many bytes of JSON that is.
    package var hasContent = false
    package var contentBytes = 0
    /// `usage.cost`, in billionths.
    package var toldCost: Int64?
    /// Where the upstream's own name for the answer stands, between its quotes.
    package var idSpan: Range<Int>?
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
            facts.usage = try usage(in: &scanner, cost: &facts.toldCost)
        } else if name == "choices", kind == .array {
            var isEmpty = true
            var contentBytes = 0
            try scanner.array(depth: 1) { (scanner, _) throws(JSONFault) in
                isEmpty = false
                contentBytes += try choice(in: &scanner, hasError: &facts.hasError)
            }
            facts.hasEmptyChoices = isEmpty
            facts.hasContent = contentBytes > 0
            facts.contentBytes = contentBytes
        } else {
            try scanner.skipValue(depth: 1)
            if name == "model", kind == .string { facts.modelSpan = start..<scanner.offset }
            if name == "id", kind == .string { facts.idSpan = start + 1..<scanner.offset - 1 }
            if name == "error", kind != .null { facts.hasError = true }
        }
    }

    private static func usage(
        in scanner: inout JSONScanner, cost: inout Int64?
    ) throws(JSONFault) -> Usage? {
        var (input, output, total): (Int?, Int?, Int?)
        var (cached, reasoning): (Int?, Int?)
        try scanner.object(depth: 1) { (scanner, name) throws(JSONFault) in
            switch try scanner.peek() {
            case .number where name == "cost": cost = ToldCost.billionths(try scanner.numberText())
            case .number:
                let number = try scanner.integer()
                if name == "prompt_tokens" || name == "input_tokens" { input = number }
                if name == "completion_tokens" || name == "output_tokens" { output = number }
                if name == "total_tokens" { total = number }
                // DeepSeek's.
                if name == "prompt_cache_hit_tokens" { cached = number }
            case .object where name == "prompt_tokens_details" || name == "input_tokens_details":
                cached = try member("cached_tokens", of: &scanner) ?? cached
            case .object where name == "completion_tokens_details" || name == "output_tokens_details":
                reasoning = try member("reasoning_tokens", of: &scanner)
            default: try scanner.skipValue(depth: 2)
            }
        }
        return Usage(
            reportedInput: input, output: output, total: total, cached: cached, reasoning: reasoning)
    }

    /// Moves past an object of usage details.
    private static func member(
        _ wanted: StaticString, of scanner: inout JSONScanner
    ) throws(JSONFault) -> Int? {
        var found: Int?
        try scanner.object(depth: 2) { (scanner, name) throws(JSONFault) in
            guard name == wanted, try scanner.peek() == .number else { return try scanner.skipValue(depth: 3) }
            found = try scanner.integer()
        }
        return found
    }

    /// Bytes of produced text or tool calls that this element of `choices` carries.
    private static func choice(in scanner: inout JSONScanner, hasError: inout Bool) throws(JSONFault) -> Int {
        guard try scanner.peek() == .object else {
            try scanner.skipValue(depth: 2)
            return 0
        }
        var contentBytes = 0
        try scanner.object(depth: 2) { (scanner, name) throws(JSONFault) in
            let kind = try scanner.peek()
            if name == "delta" || name == "message", kind == .object {
                try scanner.object(depth: 3) { (scanner, name) throws(JSONFault) in
                    contentBytes += try produced(name, in: &scanner)
                }
            } else {
                // OpenRouter's way to say that a model broke off.
                if name == "error", kind == .object { hasError = true }
                contentBytes += try produced(name, in: &scanner)
            }
        }
        return contentBytes
    }

    private static func produced(_ name: JSONString, in scanner: inout JSONScanner) throws(JSONFault) -> Int {
        let kind = try scanner.peek()
        if kind == .string, name == "content" || name == "text" || name == "reasoning_content" || name == "reasoning" {
            return try scanner.string().content.count
        }
        let start = scanner.offset
        try scanner.skipValue(depth: 4)
        return kind == .array && name == "tool_calls" ? scanner.offset - start : 0
    }
}
