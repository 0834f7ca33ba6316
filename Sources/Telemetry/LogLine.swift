package import Kernel

/// One line of the log in the making, in UTF-8. Every request has one: what stands in it is written where it belongs,
/// and not described, sorted and joined first.
package struct LogLine: Sendable {
    private static let maximumValue = 4096

    private var bytes: [UInt8] = []
    let format: LogFormat

    /// - Parameter level: as swift-log writes it: `info`.
    package init(_ format: LogFormat, at now: Instant, level: String, label: String, message: String) {
        self.format = format
        bytes.reserveCapacity(512)
        switch format {
        case .json:
            put("{\"time\":\"")
            put(now.description)
            put("\",\"level\":\"")
            put(level)
            put("\",\"message\":")
            putJSON(message)
            put(",\"logger\":")
            putJSON(label)
        case .text:
            put(String(now.description.dropFirst(11).prefix(8)))
            put(" ")
            put(level)
            put(" ")
            putPrintable(message)
        }
    }

    package mutating func add(_ name: String, _ text: String) {
        begin(name)
        switch format {
        case .json: putJSON(text)
        case .text: putPrintable(text)
        }
    }

    package mutating func add(_ name: String, _ number: Int) {
        begin(name)
        put(String(number))
    }

    package mutating func add(_ name: String, _ flag: Bool) {
        begin(name)
        put(flag ? "true" : "false")
    }

    /// Without the end of the line.
    package consuming func ended() -> [UInt8] {
        if format == .json { put("}") }
        return bytes
    }

    mutating func begin(_ name: String) {
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

    mutating func put(_ text: String) {
        var text = text
        text.withUTF8 { bytes.append(contentsOf: $0) }
    }

    /// A JSON string; what is too long is cut and says so.
    mutating func putJSON(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        defer { bytes.append(UInt8(ascii: "\"")) }
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
                    bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
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
            let shown = scalar.properties.generalCategory == .control ? " " : scalar
            bytes.append(contentsOf: UTF8.encode(shown) ?? UTF8.encodedReplacementCharacter)
        }
    }

    /// Puts the text when every byte of it may stand as it is.
    private mutating func putting(_ text: String, if mayStand: (UInt8) -> Bool) -> Bool {
        var text = text
        return text.withUTF8 { utf8 in
            guard utf8.count <= Self.maximumValue, utf8.allSatisfy(mayStand) else { return false }
            bytes.append(contentsOf: utf8)
            return true
        }
    }
}
