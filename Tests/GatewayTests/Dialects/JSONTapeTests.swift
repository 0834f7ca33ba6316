import Gateway
import NIOCore
import Testing

@Suite struct JSONTapeTests {
    private func read<Result>(_ text: String, _ body: (JSONNode) -> Result) -> Result? {
        var tape = JSONTape()
        return Array(text.utf8).withUnsafeBytes { tape.read($0, body) }
    }

    /// Puts a value together again from its parts, an object as an array of names and values.
    private static func flatten(_ node: JSONNode, _ writer: inout JSONWriter) {
        switch node.kind {
        case .object:
            writer.beginArray()
            for (name, value) in node.members {
                writer.string(name)
                flatten(value, &writer)
            }
            writer.endArray()
        case .array:
            writer.beginArray()
            for element in node.elements { flatten(element, &writer) }
            writer.endArray()
        case .string, .number, .boolean, .null: writer.value(node)
        }
    }

    @Test(
        "every value is found where it stands",
        arguments: [
            ("[]", "[]"), (#" "x" "#, #""x""#), ("{}", "[]"),
            (
                #"[1, "", [[], [2, {}]], {"a": {"": [null]}}, true, "\u00e9\"", -1.5e3]"#,
                #"[1,"",[[],[2,[]]],["a",["",[null]]],true,"\u00e9\"",-1.5e3]"#
            ),
        ])
    func finds(text: String, parts: String) {
        let found = read(text) { node in
            var writer = JSONWriter(ByteBuffer())
            Self.flatten(node, &writer)
            return String(buffer: writer.buffer)
        }
        #expect(found == parts)
    }

    @Test("members are found by name, the last of several, whatever way the name is spelled")
    func members() {
        let text = #"{"a":1,"\u0062":2,"a":3,"c":{"a":4},"d":[5,6]}"#
        let found = read(text) { node in
            [node["a"]?.integer, node["b"]?.integer, node["c"]?["a"]?.integer, node["e"]?.integer]
        }
        #expect(found == [3, 2, 4, nil])
        #expect(read(text) { $0["d"]?.elements.map { $0.integer } } == [5, 6])
        #expect(read(text) { $0["d"]?["a"] == nil } == true)
    }

    @Test(
        "whole numbers that fit are read, and nothing else",
        arguments: [
            ("0", 0), ("-7", -7), ("9223372036854775807", Int.max), ("9223372036854775808", nil), ("1.0", nil),
            ("1e3", nil), ("true", nil), ("99999999999999999999999999", nil),
        ] as [(String, Int?)])
    func integers(text: String, value: Int?) {
        #expect(read(text) { $0.integer } == .some(value))
    }

    @Test("a text that is not JSON is not read", arguments: JSONScannerTests.bad)
    func refuses(text: String) {
        #expect(read(text) { _ in true } == nil)
    }
}
