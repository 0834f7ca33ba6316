import Foundation
import Gateway
import Inference
import Kernel
import NIOCore
import Testing

/// What the tests of dialects share: texts in, texts out.
enum DialectFixture {
    static let form = AnswerForm(wantsUsage: true, shownModel: "shown", created: 1_700_000_000, fallbackID: "fallback")

    static let terms = UpstreamTerms(model: "up", cap: 4096)

    /// The same JSON text for the same value, whatever the order and spacing.
    static func canonical(_ text: String) throws -> String {
        let value = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
        let data = try JSONSerialization.data(
            withJSONObject: value, options: [.sortedKeys, .withoutEscapingSlashes, .fragmentsAllowed])
        return String(decoding: data, as: UTF8.self)
    }

    static func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    static func translated(
        _ body: String, from operation: Inference.Operation, _ terms: UpstreamTerms = terms
    ) throws -> TranslatedRequest {
        try RequestTranslation.translate(
            ByteBuffer(string: body), from: operation, terms: terms, allocator: ByteBufferAllocator())
    }

    /// What a request is refused with; nil when it is not.
    static func refusal(
        _ body: String, from operation: Inference.Operation, _ terms: UpstreamTerms = terms
    ) -> Problem? {
        do {
            _ = try translated(body, from: operation, terms)
            return nil
        } catch {
            return error as? Problem
        }
    }

    static func stream(
        _ operation: Inference.Operation, over wire: WireProtocol, _ form: AnswerForm = form
    ) -> AnswerStream {
        AnswerStream(operation: operation, wire: wire, form: form)
    }

    /// Feeds a stream in these pieces.
    /// - Returns: what the client gets, without the terminal event, and the stream as it is then.
    static func feed(_ pieces: [String], to stream: AnswerStream) throws -> (String, AnswerStream) {
        var stream = stream
        var output = ByteBuffer()
        for piece in pieces { try stream.feed(ByteBuffer(string: piece), into: &output) }
        return (String(buffer: output), stream)
    }

    static func whole(_ body: String, _ stream: inout AnswerStream) throws -> String {
        String(buffer: try stream.whole(ByteBuffer(string: body), allocator: ByteBufferAllocator()))
    }

    /// The data of each event.
    static func data(of stream: String) -> [String] {
        stream.split(separator: "\n").filter { $0.hasPrefix("data:") }.map {
            String($0.dropFirst(5).drop { $0 == " " })
        }
    }

    static func events(_ type: String, _ data: String) -> String { "event: \(type)\ndata: \(data)\n\n" }
}

extension SplitMix {
    /// A number from 0 up to the bound, which it does not reach. Its slight unevenness harms no property.
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
