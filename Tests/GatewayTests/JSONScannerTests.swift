import Foundation
import Gateway
import Testing

@Suite struct JSONScannerTests {
    private func isValid(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { pointer in
            var scanner = JSONScanner(pointer)
            do {
                try scanner.skipValue()
                try scanner.end()
                return true
            } catch {
                return false
            }
        }
    }

    static let good = [
        "0", "-0", "1.5e+9", "-12.25E-3", "true", "false", "null", #""""#, #""a\n\u00e9\ud83d\ude00""#, "[]", "{}",
        #"[1,[2,[3]]]"#, #"{"a":{"b":[{}]}}"#, " \t\r\n[ 1 , 2 ] ", "\"سلام\"", "\"😀\"",
    ]
    static let bad = [
        "", " ", "01", "1.", ".5", "+1", "1e", "--1", "tru", "nul", "'a'", "\"a", "\"\\x\"", "\"\\u12g4\"", "[1,]",
        "[,1]", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "[1", "{\"a\":1", "1 2", "\"\u{01}\"", "]", "NaN",
    ]

    @Test("valid texts are accepted", arguments: good)
    func accepts(_ text: String) { #expect(isValid(Array(text.utf8))) }

    @Test("invalid texts are refused", arguments: bad)
    func refuses(_ text: String) { #expect(!isValid(Array(text.utf8))) }

    @Test(
        "malformed UTF-8 inside a string is refused",
        arguments: [
            [0x80], [0xC0, 0x80], [0xC3], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFF],
        ])
    func refusesMalformedUTF8(_ bytes: [UInt8]) {
        #expect(!isValid([0x22] + bytes + [0x22]))
    }

    @Test("every byte is seen for what it is, at every place of a string of any length")
    func everyPlace() {
        var wrong: [String] = []
        for length in 1...26 {
            for place in 0..<length {
                for byte in UInt8.min...UInt8.max {
                    var text = [UInt8](repeating: UInt8(ascii: "a"), count: length)
                    text[place] = byte
                    // A quote ends the string, where more must not follow; an escape takes the byte behind it.
                    let isGood = (0x20..<0x80).contains(byte) && byte != 0x22 && byte != 0x5C
                    if isValid([0x22] + text + [0x22]) != isGood { wrong.append("\(byte) at \(place) of \(length)") }
                }
            }
        }
        #expect(wrong.isEmpty)
    }

    @Test("it agrees with Foundation on mutated texts", arguments: [1, 2, 3] as [UInt64])
    func agreesWithFoundation(seed: UInt64) {
        var generator = SplitMix(state: seed)
        var disagreements: [String] = []
        for _ in 0..<3000 {
            var bytes = Array((Self.good.randomElement(using: &generator) ?? "").utf8)
            for _ in 0..<Int.random(in: 0...2, using: &generator) {
                let alphabet = Array("{}[]\",:0123456789.eE+-truefalsn \\u".utf8)
                let byte = alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
                bytes.insert(byte, at: Int.random(in: 0...bytes.count, using: &generator))
            }
            let text = String(decoding: bytes, as: UTF8.self)
            // Foundation refuses escapes of lone surrogates and numbers out of range, which the grammar allows, and
            // accepts a comma before a closing bracket, which it does not.
            guard text.firstMatch(of: /\\u|[0-9]{3}|[eE]|,\s*[}\]]/) == nil else { continue }
            let theirs = (try? JSONDecoder().decode(AnyJSON.self, from: Data(bytes))) != nil
            if theirs != isValid(bytes) { disagreements.append(text) }
        }
        #expect(disagreements.isEmpty, "seed \(seed)")
    }

    @Test("nesting is bounded")
    func depth() {
        let deep = { (count: Int) in
            Array((String(repeating: "[", count: count) + String(repeating: "]", count: count)).utf8)
        }
        #expect(isValid(deep(JSONScanner.maximumDepth)))
        #expect(!isValid(deep(JSONScanner.maximumDepth + 1)))
    }
}

/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

/// Any JSON value, as Foundation's decoder sees it.
private enum AnyJSON: Decodable {
    case object([String: AnyJSON]), array([AnyJSON]), string(String), number(Double), boolean(Bool), null

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([AnyJSON].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: AnyJSON].self))
        }
    }
}
