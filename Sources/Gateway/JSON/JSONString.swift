import NIOCore

/// The content of a JSON string between its quotes, still escaped. Valid only as long as the scanned bytes.
package struct JSONString {
    let content: UnsafeBufferPointer<UInt8>
    let isEscaped: Bool

    /// The text that the string stands for. A lone surrogate becomes U+FFFD.
    package var text: String {
        guard isEscaped else { return String(decoding: content, as: UTF8.self) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(content.count)
        var index = 0
        while index < content.count {
            guard content[index] == UInt8(ascii: "\\") else {
                bytes.append(content[index])
                index += 1
                continue
            }
            index = unescape(at: index + 1, into: &bytes)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether the string is this word. Escapes are resolved, so that no spelling of a name goes unnoticed.
    package static func == (string: JSONString, word: StaticString) -> Bool {
        guard !string.isEscaped else { return string.text == "\(word)" }
        guard string.content.count == word.utf8CodeUnitCount else { return false }
        for index in 0..<string.content.count where string.content[index] != word.utf8Start[index] { return false }
        return true
    }

    private func unescape(at index: Int, into bytes: inout [UInt8]) -> Int {
        switch content[index] {
        case UInt8(ascii: "b"): bytes.append(0x08)
        case UInt8(ascii: "f"): bytes.append(0x0C)
        case UInt8(ascii: "n"): bytes.append(0x0A)
        case UInt8(ascii: "r"): bytes.append(0x0D)
        case UInt8(ascii: "t"): bytes.append(0x09)
        case UInt8(ascii: "u"): return unescapeUnicode(at: index + 1, into: &bytes)
        default: bytes.append(content[index])
        }
        return index + 1
    }

    private func unescapeUnicode(at start: Int, into bytes: inout [UInt8]) -> Int {
        let first = codeUnit(at: start)
        var end = start + 4
        var scalar = Unicode.Scalar(UInt32(first))
        if UTF16.isLeadSurrogate(first), end + 6 <= content.count, content[end] == UInt8(ascii: "\\"),
            content[end + 1] == UInt8(ascii: "u")
        {
            let second = codeUnit(at: end + 2)
            if UTF16.isTrailSurrogate(second) {
                scalar = Unicode.Scalar(0x10000 + (UInt32(first & 0x3FF) << 10) + UInt32(second & 0x3FF))
                end += 6
            }
        }
        bytes.append(contentsOf: Array(String(scalar ?? "\u{FFFD}").utf8))
        return end
    }

    private func codeUnit(at start: Int) -> UInt16 {
        (0..<4).reduce(0) { ($0 << 4) | (hexadecimalDigit(content[start + $1]) ?? 0) }
    }
}

extension ByteBuffer {
    /// Writes a text as a JSON string, quotes included.
    package mutating func writeJSONString(_ text: String) {
        writeInteger(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                writeInteger(UInt8(ascii: "\\"))
                writeInteger(byte)
            case 0x0A: writeStaticString("\\n")
            case 0x0D: writeStaticString("\\r")
            case 0x09: writeStaticString("\\t")
            case 0..<0x20:
                writeString("\\u00" + (byte < 16 ? "0" : "") + String(byte, radix: 16))
            default: writeInteger(byte)
            }
        }
        writeInteger(UInt8(ascii: "\""))
    }
}
