import CSupport

/// What is wrong with a JSON text, and at which byte.
package struct JSONFault: Error, Equatable {
    package enum Reason: String, Sendable {
        case unexpectedEnd = "its end, where more must follow"
        case unexpectedByte = "a character that JSON does not allow here"
        case badEscape = "an escape that JSON does not have"
        case controlCharacter = "a control character inside a string"
        case invalidUTF8 = "bytes that are not UTF-8"
        case badNumber = "a number that JSON does not allow"
        case tooDeep = "nesting that is too deep"
        case trailingBytes = "something after the end"
    }

    package let reason: Reason
    /// Bytes from the start of the text.
    package let offset: Int
}

package enum JSONKind: Sendable, Equatable {
    case object, array, string, number, boolean, null
}

/// Walks over a JSON text once and checks all of it: grammar (RFC 8259), escapes, UTF-8, depth. Builds nothing.
///
/// The caller reads the members that it cares about and skips the rest; both ways validate.
package struct JSONScanner {
    /// Deeper texts are refused: their only use is to hurt parsers.
    package static let maximumDepth = 64

    private let bytes: UnsafeBufferPointer<UInt8>
    package private(set) var offset = 0

    /// The scanner must not outlive the bytes.
    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes.bindMemory(to: UInt8.self) }

    // MARK: Values

    /// The kind of the next value, without moving past it.
    package mutating func peek() throws(JSONFault) -> JSONKind {
        skipSpace()
        switch try byte() {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
        case UInt8(ascii: "n"): return .null
        case UInt8(ascii: "-"), 0x30...0x39: return .number
        default: throw fault(.unexpectedByte)
        }
    }

    /// Moves past the next value, whatever it is.
    package mutating func skipValue(depth: Int = 0) throws(JSONFault) {
        switch try peek() {
        case .object:
            try object(depth: depth) { (scanner, _) throws(JSONFault) in try scanner.skipValue(depth: depth + 1) }
        case .array:
            try array(depth: depth) { (scanner, _) throws(JSONFault) in try scanner.skipValue(depth: depth + 1) }
        case .string: _ = try string()
        case .number: try number()
        case .boolean: _ = try boolean()
        case .null: try literal("null")
        }
    }

    /// Moves past an object. `member` is called with the scanner before each value, and must move past that value.
    package mutating func object(
        depth: Int = 0, _ member: (inout JSONScanner, JSONString) throws(JSONFault) -> Void
    ) throws(JSONFault) {
        guard depth < Self.maximumDepth else { throw fault(.tooDeep) }
        try expect(UInt8(ascii: "{"))
        if consume(UInt8(ascii: "}")) { return }
        repeat {
            skipSpace()
            let name = try string()
            try expect(UInt8(ascii: ":"))
            try member(&self, name)
        } while consume(UInt8(ascii: ","))
        try expect(UInt8(ascii: "}"))
    }

    /// Moves past an array. `element` is called before each value with its index, and must move past that value.
    package mutating func array(
        depth: Int = 0, _ element: (inout JSONScanner, Int) throws(JSONFault) -> Void
    ) throws(JSONFault) {
        guard depth < Self.maximumDepth else { throw fault(.tooDeep) }
        try expect(UInt8(ascii: "["))
        if consume(UInt8(ascii: "]")) { return }
        var index = 0
        repeat {
            try element(&self, index)
            index += 1
        } while consume(UInt8(ascii: ","))
        try expect(UInt8(ascii: "]"))
    }

    package mutating func boolean() throws(JSONFault) -> Bool {
        skipSpace()
        if try byte() == UInt8(ascii: "t") {
            try literal("true")
            return true
        }
        try literal("false")
        return false
    }

    /// A number's value when it is a whole one that fits; nil for `1.5` and the like, which are valid all the same.
    package mutating func integer() throws(JSONFault) -> Int? {
        skipSpace()
        let start = offset
        try number()
        return Self.whole(UnsafeBufferPointer(rebasing: bytes[start..<offset]))
    }

    /// - Parameter text: a number of JSON's.
    /// - Returns: nil for one that is no whole one, or does not fit.
    private static func whole(_ text: UnsafeBufferPointer<UInt8>) -> Int? {
        let isNegative = text.first == UInt8(ascii: "-")
        var value = 0
        for place in (isNegative ? 1 : 0)..<text.count {
            guard text[place] &- 0x30 < 10 else { return nil }
            let digit = Int(text[place] &- 0x30)
            let (tens, isOver) = value.multipliedReportingOverflow(by: 10)
            // Away from zero, since there is one more number below it than above.
            let (next, isAbove) =
                isNegative ? tens.subtractingReportingOverflow(digit) : tens.addingReportingOverflow(digit)
            guard !isOver, !isAbove else { return nil }
            value = next
        }
        return value
    }

    /// A number as it stands there.
    package mutating func numberText() throws(JSONFault) -> UnsafeBufferPointer<UInt8> {
        skipSpace()
        let start = offset
        try number()
        return UnsafeBufferPointer(rebasing: bytes[start..<offset])
    }

    /// Only white space may be left.
    package mutating func end() throws(JSONFault) {
        skipSpace()
        guard offset == bytes.count else { throw fault(.trailingBytes) }
    }

    // MARK: Tokens

    /// Moves past white space. Needed before reading `offset` as the place where a value begins.
    package mutating func skipSpace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x0A, 0x0D, 0x09: offset += 1
            default: return
            }
        }
    }

    /// Moves past a string.
    package mutating func string() throws(JSONFault) -> JSONString {
        skipSpace()
        guard try byte() == UInt8(ascii: "\"") else { throw fault(.unexpectedByte) }
        offset += 1
        let start = offset
        var isEscaped = false
        while offset < bytes.count {
            skipPlain()
            switch try byte() {
            case UInt8(ascii: "\""):
                let content = UnsafeBufferPointer(rebasing: bytes[start..<offset])
                offset += 1
                return JSONString(content: content, isEscaped: isEscaped)
            case UInt8(ascii: "\\"):
                isEscaped = true
                try escape()
            case 0..<0x20: throw fault(.controlCharacter)
            case 0x20..<0x80: offset += 1
            default: try multibyte()
            }
        }
        throw fault(.unexpectedEnd)
    }

    /// Moves past what needs no look inside a string: printable ASCII but for `"` and `\`.
    private mutating func skipPlain() {
        guard let base = bytes.baseAddress else { return }
        offset += volery_plain_length(base + offset, bytes.count - offset)
    }

    private mutating func escape() throws(JSONFault) {
        offset += 1
        switch try byte() {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            offset += 1
        case UInt8(ascii: "u"):
            offset += 1
            for _ in 0..<4 {
                guard hexadecimalDigit(try byte()) != nil else { throw fault(.badEscape) }
                offset += 1
            }
        default: throw fault(.badEscape)
        }
    }

    /// One UTF-8 sequence of two to four bytes; overlong forms, surrogates and what is above U+10FFFF are refused.
    private mutating func multibyte() throws(JSONFault) {
        let lead = bytes[offset]
        let (length, second): (Int, ClosedRange<UInt8>) =
            switch lead {
            case 0xC2...0xDF: (2, 0x80...0xBF)
            case 0xE0: (3, 0xA0...0xBF)
            case 0xED: (3, 0x80...0x9F)
            case 0xE1...0xEF: (3, 0x80...0xBF)
            case 0xF0: (4, 0x90...0xBF)
            case 0xF1...0xF3: (4, 0x80...0xBF)
            case 0xF4: (4, 0x80...0x8F)
            default: throw fault(.invalidUTF8)
            }
        guard offset + length <= bytes.count, second.contains(bytes[offset + 1]) else { throw fault(.invalidUTF8) }
        for index in 2..<max(length, 2) where bytes[offset + index] & 0xC0 != 0x80 { throw fault(.invalidUTF8) }
        offset += length
    }

    private mutating func number() throws(JSONFault) {
        _ = consumeHere(UInt8(ascii: "-"))
        if !consumeHere(UInt8(ascii: "0")) { try digits() }
        if consumeHere(UInt8(ascii: ".")) { try digits() }
        if consumeHere(UInt8(ascii: "e")) || consumeHere(UInt8(ascii: "E")) {
            if !consumeHere(UInt8(ascii: "+")) { _ = consumeHere(UInt8(ascii: "-")) }
            try digits()
        }
        if offset < bytes.count, (0x30...0x39).contains(bytes[offset]) { throw fault(.badNumber) }
    }

    private mutating func digits() throws(JSONFault) {
        let start = offset
        while offset < bytes.count, (0x30...0x39).contains(bytes[offset]) { offset += 1 }
        guard offset > start else { throw fault(offset < bytes.count ? .badNumber : .unexpectedEnd) }
    }

    private mutating func literal(_ word: StaticString) throws(JSONFault) {
        for index in 0..<word.utf8CodeUnitCount {
            guard try byte() == word.utf8Start[index] else { throw fault(.unexpectedByte) }
            offset += 1
        }
    }

    private mutating func expect(_ wanted: UInt8) throws(JSONFault) {
        skipSpace()
        guard try byte() == wanted else { throw fault(.unexpectedByte) }
        offset += 1
    }

    private mutating func consume(_ wanted: UInt8) -> Bool {
        skipSpace()
        return consumeHere(wanted)
    }

    private mutating func consumeHere(_ wanted: UInt8) -> Bool {
        guard offset < bytes.count, bytes[offset] == wanted else { return false }
        offset += 1
        return true
    }

    private func byte() throws(JSONFault) -> UInt8 {
        guard offset < bytes.count else { throw fault(.unexpectedEnd) }
        return bytes[offset]
    }

    private func fault(_ reason: JSONFault.Reason) -> JSONFault { JSONFault(reason: reason, offset: offset) }
}

func hexadecimalDigit(_ byte: UInt8) -> UInt16? {
    switch byte {
    case 0x30...0x39: UInt16(byte - 0x30)
    case 0x41...0x46: UInt16(byte - 0x41 + 10)
    case 0x61...0x66: UInt16(byte - 0x61 + 10)
    default: nil
    }
}
