package import NIOCore

/// Writes a JSON text piece by piece, and puts the commas.
///
/// What was read from another text goes over as it stands, escapes and all: nothing is decoded on the way.
package struct JSONWriter {
    package private(set) var buffer: ByteBuffer
    private var needsComma = false

    package init(_ buffer: ByteBuffer) { self.buffer = buffer }

    // MARK: Structure

    package mutating func beginObject() { open("{") }
    package mutating func endObject() { close("}") }
    package mutating func beginArray() { open("[") }
    package mutating func endArray() { close("]") }

    /// A member's name. Needs no escapes.
    package mutating func name(_ name: StaticString) {
        separate()
        buffer.writeStaticString("\"")
        buffer.writeStaticString(name)
        buffer.writeStaticString("\":")
        needsComma = false
    }

    // MARK: Values

    /// A value as it stands in another text.
    package mutating func value(_ node: JSONNode) { value { $0.writeBytes(node.raw) } }

    /// A value of which nothing but bytes is known; they must be one JSON value.
    package mutating func value(_ write: (inout ByteBuffer) -> Void) {
        separate()
        write(&buffer)
        needsComma = true
    }

    package mutating func string(_ text: String) { value { $0.writeJSONString(text) } }

    package mutating func string(_ string: JSONString) {
        value {
            $0.writeStaticString("\"")
            $0.writeBytes(string.content)
            $0.writeStaticString("\"")
        }
    }

    /// A number, a boolean, null, or a whole text that is known beforehand.
    package mutating func literal(_ text: StaticString) { value { $0.writeStaticString(text) } }
    package mutating func integer(_ number: Int) { value { $0.writeDecimal(number) } }

    // MARK: Members

    package mutating func member(_ name: StaticString, _ node: JSONNode) {
        self.name(name)
        value(node)
    }

    package mutating func member(_ name: StaticString, _ string: JSONString) {
        self.name(name)
        self.string(string)
    }

    package mutating func member(_ name: StaticString, text: String) {
        self.name(name)
        string(text)
    }

    package mutating func member(_ name: StaticString, literal text: StaticString) {
        self.name(name)
        literal(text)
    }

    package mutating func member(_ name: StaticString, integer number: Int) {
        self.name(name)
        integer(number)
    }

    // MARK: Commas

    private mutating func separate() {
        if needsComma { buffer.writeStaticString(",") }
    }

    private mutating func open(_ bracket: StaticString) {
        separate()
        buffer.writeStaticString(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: StaticString) {
        buffer.writeStaticString(bracket)
        needsComma = true
    }
}

extension ByteBuffer {
    /// A whole number in decimal digits.
    mutating func writeDecimal(_ number: Int) {
        if (0..<10).contains(number) {
            writeInteger(UInt8(ascii: "0") + UInt8(number))
        } else {
            writeString(String(number))
        }
    }

    /// Any JSON text as a JSON string that holds it, quotes included.
    mutating func writeJSONString(holding text: UnsafeBufferPointer<UInt8>) {
        writeStaticString("\"")
        var start = 0
        for index in 0..<text.count {
            let escape: StaticString
            switch text[index] {
            case UInt8(ascii: "\""): escape = "\\\""
            case UInt8(ascii: "\\"): escape = "\\\\"
            case 0x0A: escape = "\\n"
            case 0x0D: escape = "\\r"
            case 0x09: escape = "\\t"
            // A JSON text has no other control characters.
            default: continue
            }
            writeBytes(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(text)[start..<index]))
            writeStaticString(escape)
            start = index + 1
        }
        writeBytes(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(text)[start...]))
        writeStaticString("\"")
    }
}
