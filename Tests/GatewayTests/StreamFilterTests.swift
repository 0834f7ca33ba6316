import Gateway
import Inference
import NIOCore
import Testing

@Suite struct StreamFilterTests {
    static let stream = [
        ": a comment\n\n",
        "data: {\"model\":\"up\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"a \\\"model\\\":\\\"up\\\" b\"}}],\"model\":\"up\"}\r\n\r\n",
        "data: {\"model\":\"up\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\n",
        "data: [DONE]\n\n",
    ].joined()

    private func feed(_ pieces: [String], wantsUsage: Bool) throws -> (String, StreamFilter) {
        var filter = StreamFilter(wantsUsage: wantsUsage, model: "shown")
        var output = ByteBuffer()
        for piece in pieces { try filter.feed(ByteBuffer(string: piece), into: &output) }
        return (String(buffer: output), filter)
    }

    @Test("any way of cutting the stream gives the same answer", arguments: [false, true])
    func chunking(wantsUsage: Bool) throws {
        let (whole, _) = try feed([Self.stream], wantsUsage: wantsUsage)
        let bytes = Array(Self.stream.utf8)
        for size in 1..<40 {
            let pieces = stride(from: 0, to: bytes.count, by: size).map {
                String(decoding: bytes[$0..<min($0 + size, bytes.count)], as: UTF8.self)
            }
            let (text, filter) = try feed(pieces, wantsUsage: wantsUsage)
            #expect(text == whole)
            #expect(filter.isComplete)
            #expect(filter.usage?.inputTokens == 3)
            #expect(filter.contentEvents == 1)
        }
        #expect(whole.contains("usage") == wantsUsage)
        #expect(!whole.contains("[DONE]"))
    }

    @Test("the name is replaced where it is the model's, and nowhere else")
    func renames() throws {
        let (text, _) = try feed([Self.stream], wantsUsage: false)
        #expect(text.contains(#"{"model":"shown","choices""#))
        #expect(text.contains(#"a \"model\":\"up\" b"#))
        #expect(!text.contains(#""model":"up""#))
    }

    @Test(
        "usage inside an event with content is taken out of it, wherever it stands",
        arguments: [
            #"{"choices":[{"text":"","finish_reason":"stop"}],"usage":{"prompt_tokens":1,"output_tokens":2},"x":1}"#,
            #"{"usage":{"prompt_tokens":1,"output_tokens":2},"choices":[{"text":"","finish_reason":"stop"}],"x":1}"#,
            #"{"choices":[{"text":"","finish_reason":"stop"}],"x":1, "usage": {"prompt_tokens":1,"output_tokens":2} }"#,
        ])
    func stripsInside(_ event: String) throws {
        let (text, filter) = try feed(["data: \(event)\n\n"], wantsUsage: false)
        #expect(filter.usage?.outputTokens == 2)
        #expect(!text.contains("usage"))
        #expect(text.filter { !$0.isWhitespace } == #"data:{"choices":[{"text":"","finish_reason":"stop"}],"x":1}"#)
        let (kept, _) = try feed(["data: \(event)\n\n"], wantsUsage: true)
        #expect(kept.contains("usage"))
    }

    @Test("an error field is an error, other fields without data are dropped, comments pass after the first event")
    func otherFields() throws {
        #expect(throws: StreamFilter.Fault.upstreamError) { try feed(["error: {\"x\":1}\n\n"], wantsUsage: false) }
        #expect(throws: StreamFilter.Fault.notJSON) { try feed(["data: {}\ndata: {}\n\n"], wantsUsage: false) }
        let pieces = [": early\n\n", "event: ping\nid: 4\n\n", "data: {}\n\n", ": keep\n\n"]
        let (text, _) = try feed(pieces, wantsUsage: false)
        #expect(text == "data: {}\n\n: keep\n\n")
    }

    @Test("an event without end is refused at its bound")
    func bounded() {
        var filter = StreamFilter(wantsUsage: false, model: nil)
        var output = ByteBuffer()
        let piece = ByteBuffer(repeating: 0x78, count: StreamFilter.maximumEvent + 1)
        #expect(throws: StreamFilter.Fault.eventTooLong) { try filter.feed(piece, into: &output) }
    }
}
