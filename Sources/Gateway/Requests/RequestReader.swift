package import Inference
package import Kernel
package import NIOCore

/// Reads a request's body once: checks all of it, and picks out what the gateway needs.
package struct RequestReader {
    let operation: Operation
    private let isCounted: Bool
    var facts = RequestFacts()
    private var seen = SeenNames()
    private var problem: Problem?

    /// - Parameter isCounted: its tokens are to be counted, and no answer is made: it needs no cap.
    /// - Returns: the facts of a well-formed request.
    /// - Throws: `VALIDATION_ERROR` with the parameter that is wrong and what would be right.
    package static func read(
        _ body: ByteBuffer, for operation: Operation, isCounted: Bool = false
    ) throws(Problem) -> RequestFacts {
        guard body.readableBytes > 0 else {
            throw Problem(.validationError, "The body is empty.", hint: "Send a JSON object.")
        }
        var reader = RequestReader(operation: operation, isCounted: isCounted)
        let fault: JSONFault? = body.withUnsafeReadableBytes { bytes in
            do throws(JSONFault) {
                try reader.scan(bytes)
                return nil
            } catch {
                return error
            }
        }
        if let fault {
            throw Problem(
                .validationError,
                "The body is not valid JSON: at byte \(fault.offset) there is \(fault.reason.rawValue).",
                hint: "Send a JSON object in UTF-8.")
        }
        if let problem = reader.problem { throw problem }
        return reader.facts
    }

    private init(operation: Operation, isCounted: Bool) {
        self.operation = operation
        self.isCounted = isCounted
        // Their answers tell it in any case, and know no option for it.
        facts.wantsUsage = operation == .messages || operation == .responses
    }

    private mutating func scan(_ bytes: UnsafeRawBufferPointer) throws(JSONFault) {
        var scanner = JSONScanner(bytes)
        guard try scanner.peek() == .object else {
            problem = Problem(.validationError, "The body is not a JSON object.", hint: "Send a JSON object.")
            try scanner.skipValue()
            return try scanner.end()
        }
        facts.firstMember = scanner.offset + 1
        try scanner.object { (scanner, name) throws(JSONFault) in
            try member(name.text, in: &scanner)
        }
        try scanner.end()
        checkPresence()
    }

    private mutating func member(_ name: String, in scanner: inout JSONScanner) throws(JSONFault) {
        if !seen.insert(name) {
            complain(name, "`\(name)` stands twice in the body.", "Send each member once.")
        }
        let kind = try scanner.peek()
        let start = scanner.offset
        switch (name, kind) {
        case ("model", .string):
            facts.model = try scanner.string().text
            facts.modelSpan = start..<scanner.offset
        case ("stream", .boolean): facts.isStream = try scanner.boolean()
        case ("stream_options", .object) where operation != .responses: try streamOptions(in: &scanner)
        case ("stream_options", .null):
            try scanner.skipValue(depth: 1)
            facts.streamOptions = .null(start..<scanner.offset)
        case ("messages", .array) where operation == .chat || operation == .messages:
            try messages(in: &scanner)
        case ("system", .array) where operation == .messages: try note(parts: &scanner, depth: 1)
        case ("thinking", .object) where operation == .messages, ("tool_choice", .object) where operation == .messages:
            try typedObject(name, in: &scanner)
        case ("input", .array) where operation == .responses: try input(in: &scanner)
        case ("background", .boolean) where operation == .responses: try background(in: &scanner)
        case ("previous_response_id", .string) where operation == .responses,
            ("conversation", _) where operation == .responses && kind != .null,
            ("prompt", .object) where operation == .responses:
            facts.hasUnseenParts = true
            try scanner.skipValue(depth: 1)
        case ("tools", .array):
            try tools(in: &scanner)
        case ("n", .number):
            if let choices = try scanner.integer(), choices > 1 {
                facts.needs.insert(.multipleChoices)
                facts.choices = max(facts.choices, choices)
            }
        case ("best_of", .number), ("n_cmpl", .number):
            if let choices = try scanner.integer() { facts.choices = max(facts.choices, choices) }
        case ("max_tokens", _), ("max_completion_tokens", _), ("n_predict", _), ("max_output_tokens", _):
            try cap(name, kind, in: &scanner)
        case ("tool_choice", .string):
            if try scanner.string() == "required" { facts.needs.insert(.tools) }
        case ("tool_choice", .object):
            facts.needs.insert(.tools)
            try scanner.skipValue(depth: 1)
        case ("input", .array), ("prompt", .array): try nonEmptyArray(name, in: &scanner)
        case ("input", .string) where operation == .embeddings:
            if try scanner.string() == "" {
                complain(name, "`input` is empty.", "Send a text, or an array of texts.")
            }
        default: try scanner.skipValue(depth: 1)
        }
        checkKind(of: name, kind)
    }

    private mutating func cap(
        _ name: String, _ kind: JSONKind, in scanner: inout JSONScanner
    ) throws(JSONFault) {
        let start = scanner.offset
        var value: Int?
        if kind == .number { value = try scanner.integer() } else { try scanner.skipValue(depth: 1) }
        if let value, let least = leastCap(name), value < least {
            complain(name, "`\(name)` is \(value), and must be at least \(least).", "Leave it out for no cap.")
        }
        guard let name = RequestFacts.CapName(rawValue: name), name.isKnown(to: operation) else { return }
        let cap = RequestFacts.Cap(
            name: name, span: start..<scanner.offset, tokens: value.flatMap { $0 < 0 ? nil : $0 })
        // Most requests have one: an array of one is made in a third of the steps that an empty one takes to grow.
        if facts.caps.isEmpty { facts.caps = [cap] } else { facts.caps.append(cap) }
    }

    /// What OpenAI refuses too. `max_tokens: 0` is how a completion asks for the prompt's own log probabilities;
    /// llama.cpp's `n_predict` has a meaning for -1.
    private func leastCap(_ name: String) -> Int? {
        switch (operation, name) {
        case (.embeddings, _), (_, "n_predict"): nil
        case (.chat, "max_output_tokens"), (.completions, "max_output_tokens"): nil
        case (.completions, "max_tokens"): 0
        case (.chat, _), (.completions, _), (.messages, _), (.responses, _): 1
        }
    }

    private mutating func streamOptions(in scanner: inout JSONScanner) throws(JSONFault) {
        let firstMember = scanner.offset + 1
        var isEmpty = true
        var span: RequestFacts.Span?
        var wantsUsage = false
        var wrongKind = false
        try scanner.object(depth: 1) { (scanner, name) throws(JSONFault) in
            isEmpty = false
            let kind = try scanner.peek()
            let start = scanner.offset
            guard name == "include_usage" else { return try scanner.skipValue(depth: 2) }
            switch kind {
            case .boolean: wantsUsage = try scanner.boolean()
            default:
                wrongKind = kind != .null
                try scanner.skipValue(depth: 2)
            }
            span = start..<scanner.offset
        }
        facts.wantsUsage = wantsUsage
        facts.streamOptions = span.map { .includeUsage($0) } ?? .object(firstMember: firstMember, isEmpty: isEmpty)
        if wrongKind {
            complain(
                "stream_options.include_usage", "`stream_options.include_usage` is not a boolean.",
                "Use true or false.")
        }
    }

    private mutating func messages(in scanner: inout JSONScanner) throws(JSONFault) {
        var count = 0
        var bad: (parameter: String, message: String)?
        var parts = MessageParts()
        try scanner.array(depth: 1) { (scanner, index) throws(JSONFault) in
            count = index + 1
            guard try scanner.peek() == .object else {
                bad = bad ?? ("messages[\(index)]", "`messages[\(index)]` is not an object.")
                return try scanner.skipValue(depth: 2)
            }
            var role: JSONKind?
            try scanner.object(depth: 2) { (scanner, name) throws(JSONFault) in
                let kind = try scanner.peek()
                if name == "role" { role = kind }
                if name == "content", kind == .array {
                    try parts.read(&scanner, depth: 3)
                } else {
                    try scanner.skipValue(depth: 3)
                }
            }
            if role != .string {
                bad = bad ?? ("messages[\(index)].role", "`messages[\(index)].role` is missing or not a text.")
            }
        }
        note(parts)
        if count == 0 {
            complain("messages", "`messages` is empty.", "Send at least one message with `role` and `content`.")
        } else if let bad {
            complain(bad.parameter, bad.message, "A message is an object with `role` and `content`.")
        }
    }

    private mutating func nonEmptyArray(_ name: String, in scanner: inout JSONScanner) throws(JSONFault) {
        var (count, texts) = (0, 0)
        try scanner.array(depth: 1) { (scanner, _) throws(JSONFault) in
            count += 1
            // An array of numbers is one prompt, in tokens.
            if try scanner.peek() != .number { texts += 1 }
            try scanner.skipValue(depth: 2)
        }
        facts.prompts = max(1, texts)
        if count == 0 { complain(name, "`\(name)` is empty.", "Send a text, or an array with at least one.") }
    }

    private mutating func checkKind(of name: String, _ kind: JSONKind) {
        guard let rule = BodyRule.rule(for: name, in: operation), !rule.kinds.has(kind) else { return }
        complain(name, "`\(name)` has the wrong type.", "Send \(rule.words).")
    }

    private mutating func checkPresence() {
        for name in BodyRule.required(in: operation) where !seen.contains(name) {
            if isCounted, name == "max_tokens" { continue }
            let words = BodyRule.rule(for: name, in: operation)?.words ?? "it"
            complain(name, "`\(name)` is missing.", "Send \(words).")
        }
        if seen.contains("model"), facts.model.isEmpty {
            complain("model", "`model` is empty.", "GET /v1/models lists the names.")
        }
    }

    /// Keeps the first complaint: one clear error at a time.
    mutating func complain(_ parameter: String, _ message: String, _ hint: String) {
        if problem == nil { problem = Problem(.validationError, message, parameter: parameter, hint: hint) }
    }
}

/// The names of members that stood in a body so far. Most bodies have a few, which are compared faster than hashed.
private struct SeenNames {
    private static let mostFew = 16

    private var few: [String] = []
    private var many: Set<String> = []

    /// - Returns: false for one that was seen before.
    mutating func insert(_ name: String) -> Bool {
        if contains(name) { return false }
        if few.isEmpty { few.reserveCapacity(Self.mostFew) }
        if few.count < Self.mostFew { few.append(name) } else { many.insert(name) }
        return true
    }

    func contains(_ name: String) -> Bool { few.contains(name) || (!many.isEmpty && many.contains(name)) }
}
