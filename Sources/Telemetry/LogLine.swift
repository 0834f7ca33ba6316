package import Kernel

/// One line of the log in the making, in UTF-8. Every request has one: what stands in it is written where it belongs,
/// and not described, sorted and joined first.
package struct LogLine: ~Copyable, Sendable {
    private static let maximumValue = 4096

    private var bytes = TextBytes(capacity: 768)
    let format: LogFormat

    /// - Parameters:
    ///   - level: as swift-log writes it: `info`.
    ///   - detail: goes on with the message.
    package init(
        _ format: LogFormat, at now: Instant, level: String, label: String, message: String, detail: String = ""
    ) {
        self.format = format
        switch format {
        case .json:
            put("{\"time\":\"")
            put(now.description)
            put("\",\"level\":\"")
            put(level)
            put("\",\"message\":")
            putJSON(message, detail)
            put(",\"logger\":")
            putJSON(label)
        case .text:
            put(String(now.description.dropFirst(11).prefix(8)))
            put(" ")
            put(level)
            put(" ")
            putPrintable(message)
            putPrintable(detail)
        }
    }

    /// The begin of a line that every request has, in one piece.
    /// - Parameters:
    ///   - level: printable ASCII without what JSON escapes, like the others.
    ///   - detail: goes on with the message.
    package init(
        _ format: LogFormat, at now: Instant, level: StaticString, label: StaticString, message: StaticString,
        plain detail: String
    ) {
        self.format = format
        guard format == .json else {
            put(String(now.description.dropFirst(11).prefix(8)))
            put(" \(level) \(message)\(detail)")
            return
        }
        let known = 96 + level.utf8CodeUnitCount + label.utf8CodeUnitCount + message.utf8CodeUnitCount
        put(detail, beside: known + now.longestText) { cursor, detail in
            cursor.put("{\"time\":\"")
            cursor.put(now)
            cursor.put("\",\"level\":\"")
            cursor.put(level)
            cursor.put("\",\"message\":\"")
            cursor.put(message)
            cursor.put(detail)
            cursor.put("\",\"logger\":\"")
            cursor.put(label)
            cursor.put("\"")
        }
    }

    package mutating func add(named name: String, _ text: String) {
        begin(named: name)
        putValue(text)
    }

    package mutating func add(named name: String, _ number: Int) {
        begin(named: name)
        bytes.put(most: number.longestText) { number.write(to: $0) }
    }

    package mutating func add(named name: String, _ flag: Bool) {
        begin(named: name)
        put(flag ? "true" : "false")
    }

    // MARK: Names that are known

    /// - Parameter name: of printable ASCII, without what JSON escapes.
    package mutating func add(_ name: StaticString, _ text: String) {
        begin(name)
        putValue(text)
    }

    package mutating func add(_ name: StaticString, _ number: Int) {
        let format = format
        bytes.put(most: name.utf8CodeUnitCount + number.longestText + Self.aroundField) { buffer in
            var cursor = TextCursor(buffer)
            cursor.begin(name, format)
            cursor.put(number)
            return cursor.count
        }
    }

    /// - Parameter value: its text is printable ASCII, without what JSON escapes.
    package mutating func add(_ name: StaticString, _ value: some TextWritable) {
        let format = format
        bytes.put(most: name.utf8CodeUnitCount + value.longestText + Self.aroundField) { buffer in
            var cursor = TextCursor(buffer)
            cursor.begin(name, format)
            if format == .json { cursor.put("\"") }
            cursor.put(value)
            if format == .json { cursor.put("\"") }
            return cursor.count
        }
    }

    /// - Parameter text: printable ASCII, without what JSON escapes.
    package mutating func add(_ name: StaticString, plain text: String) {
        let format = format
        put(text, beside: name.utf8CodeUnitCount + Self.aroundField) { cursor, text in
            cursor.begin(name, format)
            if format == .json { cursor.put("\"") }
            cursor.put(text)
            if format == .json { cursor.put("\"") }
        }
    }

    /// What stands around a field's name and value, at most.
    private static let aroundField = 8

    /// - Parameters:
    ///   - most: bytes that are put beside the text.
    ///   - body: puts the text and what stands beside it.
    private mutating func put(
        _ text: String, beside most: Int, _ body: (inout TextCursor, UnsafeBufferPointer<UInt8>) -> Void
    ) {
        var text = text
        text.withUTF8 { utf8 in
            bytes.put(most: most + utf8.count) { buffer in
                var cursor = TextCursor(buffer)
                body(&cursor, utf8)
                return cursor.count
            }
        }
    }

    private mutating func begin(_ name: StaticString) {
        switch format {
        case .json:
            bytes.put(",\"")
            bytes.put(name)
            bytes.put("\":")
        case .text:
            bytes.put(UInt8(ascii: " "))
            bytes.put(name)
            bytes.put(UInt8(ascii: "="))
        }
    }

    /// - Parameter body: gets the line with its end.
    package consuming func end<Answer>(_ body: (UnsafeRawBufferPointer) -> Answer) -> Answer {
        if format == .json { bytes.put(UInt8(ascii: "}")) }
        bytes.put(UInt8(ascii: "\n"))
        return bytes.withBytes(body)
    }

    // MARK: Pieces

    mutating func begin(named name: String) {
        switch format {
        case .json:
            put(",")
            putJSON(name)
            put(":")
        case .text:
            put(" ")
            put(name)
            put("=")
        }
    }

    mutating func put(_ text: String) { bytes.put(text: text) }

    private mutating func putValue(_ text: String) {
        switch format {
        case .json: putJSON(text)
        case .text: putPrintable(text)
        }
    }

    /// A JSON string; what is too long is cut and says so.
    mutating func putJSON(_ text: String, _ more: String = "") {
        bytes.put(UInt8(ascii: "\""))
        putEscaped(text)
        if !more.isEmpty { putEscaped(more) }
        bytes.put(UInt8(ascii: "\""))
    }

    private mutating func putEscaped(_ text: String) {
        // Nearly every text is plain, and goes in as it is.
        let isPlain = putting(text) { $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C }
        if isPlain { return }
        for scalar in text.unicodeScalars.prefix(Self.maximumValue) {
            switch scalar {
            case "\"": put("\\\"")
            case "\\": put("\\\\")
            case "\n": put("\\n")
            case "\r": put("\\r")
            case "\t": put("\\t")
            default:
                if scalar.value < 0x20 {
                    put("\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16))
                } else {
                    put(scalar)
                }
            }
        }
        if text.unicodeScalars.count > Self.maximumValue { put("…") }
    }

    /// For a terminal: control characters, which could move its cursor, become spaces.
    private mutating func putPrintable(_ text: String) {
        let isPlain = putting(text) { (0x20..<0x7F).contains($0) }
        if isPlain { return }
        for scalar in text.unicodeScalars.prefix(Self.maximumValue) {
            put(scalar.properties.generalCategory == .control ? " " : scalar)
        }
    }

    private mutating func put(_ scalar: Unicode.Scalar) {
        for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { bytes.put(byte) }
    }

    /// Puts the text when every byte of it may stand as it is.
    private mutating func putting(_ text: String, if mayStand: (UInt8) -> Bool) -> Bool {
        var text = text
        return text.withUTF8 { utf8 in
            guard utf8.count <= Self.maximumValue, utf8.allSatisfy(mayStand) else { return false }
            bytes.put(UnsafeRawBufferPointer(utf8))
            return true
        }
    }
}

extension TextCursor {
    /// The begin of a field, to its value.
    @inline(__always)
    fileprivate mutating func begin(_ name: StaticString, _ format: LogFormat) {
        switch format {
        case .json:
            put(",\"")
            put(name)
            put("\":")
        case .text:
            put(" ")
            put(name)
            put("=")
        }
    }
}
