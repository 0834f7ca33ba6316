import App
import Testing

@Suite("events of an answer")
struct EventStreamTests {
    private func events(_ text: String, pieces: Int) throws -> [String] {
        var stream = EventStream()
        var events: [String] = []
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            let piece = bytes[start..<min(start + pieces, bytes.count)]
            events += try stream.take(piece).map { String(decoding: $0, as: UTF8.self) }
        }
        return events
    }

    @Test("the same events come out, however the bytes are cut", arguments: 1...9)
    func cuts(pieces: Int) throws {
        let text =
            ": hello\r\n\r\ndata: {\"a\":1}\r\n\r\nevent: x\ndata:two\ndata: lines\n\ndata: سلام\r\rdata: [DONE]\n\n"
        #expect(try events(text, pieces: pieces) == [#"{"a":1}"#, "two\nlines", "سلام", "[DONE]"])
    }

    @Test("an event without its empty line is not complete")
    func incomplete() throws {
        #expect(try events("data: x\n", pieces: 100) == [])
    }

    @Test("a line that never ends is refused before it fills memory")
    func tooLong() {
        var stream = EventStream()
        #expect(throws: EventStream.TooLong.self) {
            _ = try stream.take(repeatElement(UInt8(ascii: "x"), count: EventStream.longestLine + 1))
        }
    }
}
