/// A JSON text, read once and checked wholly: where each of its values stands.
///
/// For texts that are taken apart and put together anew. Whoever only picks a few members uses `JSONScanner`. The
/// entries keep their memory from one text to the next.
package struct JSONTape: Sendable {
    /// Longer texts are refused: a place is held in 32 bits.
    private static let longest = Int(UInt32.max) - 1

    struct Entry: Sendable {
        let kind: JSONKind
        /// Of a string: whether it has escapes.
        var isEscaped = false
        /// Of a string its content between the quotes, of all else the whole value.
        var start: UInt32
        var end: UInt32
        /// The entry behind this value and all that is in it.
        var next: UInt32 = 0
    }

    private var entries: [Entry] = []

    package init() {}

    /// - Parameter body: gets the text's value, which is gone with the bytes and when `body` returns.
    /// - Returns: nil when the bytes are not one JSON value.
    package mutating func read<Result>(
        _ bytes: UnsafeRawBufferPointer, _ body: (JSONNode) -> Result
    ) -> Result? {
        entries.removeAll(keepingCapacity: true)
        guard bytes.count <= Self.longest, let base = bytes.bindMemory(to: UInt8.self).baseAddress else { return nil }
        do throws(JSONFault) {
            var scanner = JSONScanner(bytes)
            try append(&scanner, of: base, depth: 0)
            try scanner.end()
        } catch {
            return nil
        }
        return entries.withUnsafeBufferPointer { entries in
            entries.baseAddress.map { body(JSONNode(entries: $0, bytes: base, index: 0)) }
        }
    }

    private mutating func append(
        _ scanner: inout JSONScanner, of base: UnsafePointer<UInt8>, depth: Int
    ) throws(JSONFault) {
        let kind = try scanner.peek()
        let index = entries.count
        entries.append(Entry(kind: kind, start: UInt32(scanner.offset), end: 0))
        switch kind {
        case .object:
            try scanner.object(depth: depth) { (scanner, name) throws(JSONFault) in
                appendString(name, of: base)
                try append(&scanner, of: base, depth: depth + 1)
            }
        case .array:
            try scanner.array(depth: depth) { (scanner, _) throws(JSONFault) in
                try append(&scanner, of: base, depth: depth + 1)
            }
        case .string:
            let string = try scanner.string()
            entries.removeLast()
            return appendString(string, of: base)
        case .number, .boolean, .null: try scanner.skipValue(depth: depth)
        }
        entries[index].end = UInt32(scanner.offset)
        entries[index].next = UInt32(entries.count)
    }

    private mutating func appendString(_ string: JSONString, of base: UnsafePointer<UInt8>) {
        // A string's content lies between two quotes of the text, so that it has an address even when it is empty.
        let start = string.content.baseAddress.map { base.distance(to: $0) } ?? 0
        entries.append(
            Entry(
                kind: .string, isEscaped: string.isEscaped, start: UInt32(start),
                end: UInt32(start + string.content.count), next: UInt32(entries.count + 1)))
    }
}

/// One value of a `JSONTape`. Valid only inside the closure that it was handed to.
package struct JSONNode {
    fileprivate let entries: UnsafePointer<JSONTape.Entry>
    fileprivate let bytes: UnsafePointer<UInt8>
    fileprivate let index: Int

    private var entry: JSONTape.Entry { entries[index] }
    package var kind: JSONKind { entry.kind }
    package var isNull: Bool { kind == .null }

    /// The value's bytes as they stand, of a string with its quotes.
    package var raw: UnsafeBufferPointer<UInt8> {
        let entry = entry
        let quote = entry.kind == .string ? 1 : 0
        return UnsafeBufferPointer(
            start: bytes + Int(entry.start) - quote, count: Int(entry.end - entry.start) + 2 * quote)
    }

    /// Where `raw` stands in the text.
    package var span: Range<Int> {
        let entry = entry
        let quote = entry.kind == .string ? 1 : 0
        return Int(entry.start) - quote..<Int(entry.end) + quote
    }

    /// Nil for what is no string.
    package var string: JSONString? { kind == .string ? content : nil }

    private var content: JSONString {
        let entry = entry
        return JSONString(
            content: UnsafeBufferPointer(start: bytes + Int(entry.start), count: Int(entry.end - entry.start)),
            isEscaped: entry.isEscaped)
    }

    /// Nil for what is no boolean.
    package var boolean: Bool? { kind == .boolean ? bytes[Int(entry.start)] == UInt8(ascii: "t") : nil }

    /// Nil for what is no number.
    package var number: Double? { kind == .number ? Double(String(decoding: raw, as: UTF8.self)) : nil }

    /// Nil for what is no number, not whole, or too large.
    package var integer: Int? {
        guard kind == .number, raw.count < 20 else { return nil }
        var value = 0
        var digits = raw[...]
        let isNegative = digits.first == UInt8(ascii: "-")
        if isNegative { digits = digits.dropFirst() }
        for byte in digits {
            guard (0x30...0x39).contains(byte) else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(byte - 0x30))
            if overflow || carry { return nil }
            value = sum
        }
        return isNegative ? -value : value
    }

    /// The member of that name, the last where there are several; nil too for what is no object.
    package subscript(_ name: StaticString) -> JSONNode? {
        var found: JSONNode?
        for (candidate, value) in members where candidate == name { found = value }
        return found
    }

    /// The text of the member of that name, if it is a string.
    package func string(_ name: StaticString) -> JSONString? { self[name]?.string }

    /// Whether it is an object or array without anything in it, or no such thing.
    package var isEmpty: Bool { Int(entry.next) == index + 1 }

    /// Empty for what is no object.
    package var members: Members { Members(node: self, place: index + 1) }

    /// Empty for what is no array.
    package var elements: Elements { Elements(node: self, place: index + 1) }

    package struct Members: Sequence, IteratorProtocol {
        fileprivate let node: JSONNode
        fileprivate var place: Int

        package mutating func next() -> (JSONString, JSONNode)? {
            guard node.kind == .object, place < Int(node.entry.next) else { return nil }
            let name = JSONNode(entries: node.entries, bytes: node.bytes, index: place)
            let value = JSONNode(entries: node.entries, bytes: node.bytes, index: place + 1)
            place = Int(value.entry.next)
            return (name.content, value)
        }
    }

    package struct Elements: Sequence, IteratorProtocol {
        fileprivate let node: JSONNode
        fileprivate var place: Int

        package mutating func next() -> JSONNode? {
            guard node.kind == .array, place < Int(node.entry.next) else { return nil }
            let element = JSONNode(entries: node.entries, bytes: node.bytes, index: place)
            place = Int(element.entry.next)
            return element
        }
    }
}
