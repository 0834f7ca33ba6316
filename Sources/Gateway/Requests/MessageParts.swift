/// What of a message's parts is no text, in whichever dialect.
struct MessageParts {
    private(set) var images = 0
    private(set) var imageBytes = 0
    /// Whether something is only named, such as a film by its address.
    private(set) var hasUnseen = false

    /// Moves past an array of parts. Only an image's own value counts as one: what stands beside it may be a text.
    mutating func read(_ scanner: inout JSONScanner, depth: Int) throws(JSONFault) {
        // The scanner calls back with itself; a copy gathers, since `self` is borrowed meanwhile.
        var parts = self
        try scanner.array(depth: depth) { (scanner, _) throws(JSONFault) in
            guard try scanner.peek() == .object else { return try scanner.skipValue(depth: depth + 1) }
            try parts.part(&scanner, depth: depth + 1)
        }
        self = parts
    }

    private mutating func part(_ scanner: inout JSONScanner, depth: Int) throws(JSONFault) {
        var parts = self
        var isDocument = false
        var sourceBytes: Int?
        try scanner.object(depth: depth) { (scanner, name) throws(JSONFault) in
            let kind = try scanner.peek()
            let start = scanner.offset
            if name == "type", kind == .string {
                let type = try scanner.string()
                // A document is read page by page, as pictures too: its bytes bound nothing.
                isDocument = type == "document"
                return
            }
            // A tool's result has blocks of its own.
            if name == "content", kind == .array { return try parts.read(&scanner, depth: depth + 1) }
            try scanner.skipValue(depth: depth + 1)
            if name == "image_url" {
                parts.add(imageBytes: scanner.offset - start)
            } else if name == "source" {
                sourceBytes = scanner.offset - start
            } else if kind != .null, Self.unseen.contains(where: { name == $0 }) {
                parts.hasUnseen = true
            }
        }
        if isDocument {
            parts.hasUnseen = true
        } else if let sourceBytes {
            parts.add(imageBytes: sourceBytes)
        }
        self = parts
    }

    private static let unseen: [StaticString] = ["video_url", "audio_url", "file", "file_id", "file_url", "file_data"]

    private mutating func add(imageBytes bytes: Int) {
        images += 1
        imageBytes += bytes
    }
}
