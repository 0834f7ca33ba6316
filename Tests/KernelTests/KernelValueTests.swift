import Foundation
import Kernel
import TestKit
import Testing

@Suite struct KernelValueTests {
    @Test("a secret never prints, whatever asks for it")
    func secret() {
        struct Holder {
            let name: String
            let secret: Secret
        }
        let secret = Secret("hunter2")
        let holder = Holder(name: "x", secret: secret)
        var dumped = ""
        dump(holder, to: &dumped)
        let mirrored = Mirror(reflecting: secret).children.map { "\($0.value)" }.joined()
        let texts = [
            "\(secret)", String(describing: secret), String(reflecting: secret), "\(holder)", dumped, mirrored,
            "\([secret])", "\(Optional(secret) as Any)", "\(["k": secret])",
        ]
        for text in texts { #expect(!text.contains("hunter2"), "\(text)") }
        #expect("\(secret)" == "<redacted>")
        #expect((secret as Any) as? any Encodable == nil)
        #expect(secret.reveal() == "hunter2")
    }

    @Test("secrets compare by content")
    func secretEquality() {
        #expect(Secret("a") == Secret("a"))
        #expect(Secret("a") != Secret("b"))
        #expect(Secret("a") != Secret("ab"))
        #expect(constantTimeEqual([] as [UInt8], [] as [UInt8]))
    }

    @Test(
        "a number's text is that of the standard library",
        arguments: [0, 1, 9, 10, -1, -10, 123_456_789, .max, .min])
    func numberText(number: Int) {
        var bytes = TextBytes(capacity: 1)
        bytes.put(most: number.longestText) { number.write(to: $0) }
        #expect(bytes.withBytes { String(decoding: $0, as: UTF8.self) } == String(number))
    }

    @Test("an instant survives JSON to the millisecond, and reads whole seconds")
    func instant() throws {
        let instant = Instant(microseconds: 1_795_248_000_125_000)
        let text = String(decoding: try JSONEncoder().encode([instant]), as: UTF8.self)
        #expect(text == #"["2026-11-21T08:00:00.125Z"]"#)
        #expect(try JSONDecoder().decode([Instant].self, from: Data(text.utf8)) == [instant])
        let whole = try JSONDecoder().decode([Instant].self, from: Data(#"["2026-11-21T08:00:00Z"]"#.utf8))
        #expect(whole == [Instant(microseconds: 1_795_248_000_000_000)])
        #expect(instant + .seconds(1) - instant == .seconds(1))
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([Instant].self, from: Data(#"["yesterday"]"#.utf8))
        }
    }

    @Test("a page knows whether there is more, and says so in OpenAI's shape")
    func page() throws {
        let page = Page(rows: ["a", "b", "c"], limit: 2) { "id-" + $0 }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = String(decoding: try encoder.encode(page), as: UTF8.self)
        #expect(
            text == #"{"data":["a","b"],"first_id":"id-a","has_more":true,"last_id":"id-b","object":"list"}"#)
        let decoded = try JSONDecoder().decode(Page<String>.self, from: Data(text.utf8))
        #expect(decoded.data == ["a", "b"] && decoded.hasMore && decoded.lastID == "id-b")
        let empty = Page(rows: [] as [String], limit: 2) { $0 }
        #expect(
            String(decoding: try encoder.encode(empty), as: UTF8.self)
                == #"{"data":[],"first_id":null,"has_more":false,"last_id":null,"object":"list"}"#)
    }

    @Test("a page's limit is checked", arguments: [0, -1, 1001])
    func pageLimit(limit: Int) {
        #expect(throws: Problem.self) { try PageRequest(limit: limit) }
    }

    @Test("a problem without words of its own has the catalog's")
    func problem() {
        for code in ErrorCode.allCases {
            let problem = Problem(code)
            #expect(problem.message == code.meaning && problem.hint == code.remedy && !problem.hint.isEmpty)
            #expect((400...599).contains(problem.status))
            #expect(ErrorCode(rawValue: code.rawValue) == code)
        }
        let own = Problem(.validationError, "no.", parameter: "n", hint: "do.", figures: [.init("limit", 3)])
        #expect(own.message == "no." && own.hint == "do." && own.figures == [.init("limit", 3)])
    }

    @Test("lower-case base 32 keeps five bits a digit and reads back", arguments: [1, 2] as [UInt64])
    func base32(seed: UInt64) {
        let bytes = SeededRandom(seed: seed).bytes(25)
        let text = Base32.lowercase(bytes)
        #expect(text.count == 40 && text == text.lowercased())
        var read: [UInt8] = []
        var held: UInt32 = 0
        var bits = 0
        for byte in text.utf8 {
            guard let value = Base32.value(of: byte) else { continue }
            held = (held << 5) | UInt32(value)
            bits += 5
            if bits >= 8 {
                bits -= 8
                read.append(UInt8((held >> bits) & 255))
            }
        }
        #expect(read == bytes, "seed \(seed)")
    }

    @Test("system randomness differs from call to call, and a bound is kept")
    func random() {
        let random = SystemRandom()
        #expect(random.bytes(32) != random.bytes(32))
        for _ in 0..<1000 { #expect(random.next(below: 7) < 7) }
    }
}
