import CSupport
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
    @inline(__always)
    package static func == (string: JSONString, word: StaticString) -> Bool {
        // Most names are told apart by their lengths, which costs no call.
        guard !string.isEscaped else { return string.text == "\(word)" }
        return string.content.count == word.utf8CodeUnitCount && string.hasBytes(of: word)
    }

    /// - Parameter word: as long as the string.
    private func hasBytes(of word: StaticString) -> Bool {
        for index in 0..<content.count where content[index] != word.utf8Start[index] { return false }
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
        if writePlainJSONString(text) { return }
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

    /// - Returns: false, with nothing written, for a text in which something must be escaped.
    private mutating func writePlainJSONString(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { utf8 in
            guard isPlain(utf8) else { return false }
            writeWithUnsafeMutableBytes(minimumWritableBytes: utf8.count + 2) { target in
                target[0] = UInt8(ascii: "\"")
                UnsafeMutableRawBufferPointer(rebasing: target[1...]).copyMemory(from: UnsafeRawBufferPointer(utf8))
                target[utf8.count + 1] = UInt8(ascii: "\"")
                return utf8.count + 2
            }
            return true
        }
    }
}

extension JSONString {
    /// A text as a JSON string, quotes included.
    static func quoted(_ text: String) -> [UInt8] {
        var text = text
        let plain: [UInt8]? = text.withUTF8 { utf8 in
            guard isPlain(utf8) else { return nil }
            return Array(unsafeUninitializedCapacity: utf8.count + 2) { target, count in
                count = utf8.count + 2
                target[0] = UInt8(ascii: "\"")
                _ = UnsafeMutableBufferPointer(rebasing: target[1...]).update(fromContentsOf: utf8)
                target[count - 1] = UInt8(ascii: "\"")
            }
        }
        if let plain { return plain }
        var quoted = ByteBuffer()
        quoted.writeJSONString(text)
        return Array(buffer: quoted)
    }
}

/// Whether all of a text may stand in a JSON string as it is.
private func isPlain(_ utf8: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let base = utf8.baseAddress else { return true }
    return volery_plain_length(base, utf8.count) == utf8.count
}
