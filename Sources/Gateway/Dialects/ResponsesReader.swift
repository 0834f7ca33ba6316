import Inference
import NIOCore

/// OpenAI's responses that pass on as they come, but for the model's name.
struct ResponsesReader: EventReader {
    private let shownModel: String?
    private(set) var terminal = ByteBuffer()

    init(_ form: AnswerForm) { shownModel = form.shownModel }

    mutating func read(
        _ node: JSONNode, of event: StreamEvent, tally: inout AnswerTally, into output: inout ByteBuffer
    ) -> StreamFilter.Fault? {
        guard let type = node.string("type") else { return .notJSON }
        // A response that failed is an answer that broke off, for whoever counts and whoever waits.
        if type == "error" || type == "response.failed" { return .upstreamError }
        if let delta = node.string("delta") { tally.add(contentBytes: delta.content.count) }
        let isEnd = type == "response.completed" || type == "response.incomplete"
        let response = node["response"]
        if isEnd, response?.kind != .object { return .notJSON }
        if let response { note(response, in: &tally) }
        var passed = ByteBuffer()
        if let shownModel, let model = response?["model"] {
            event.write(replacing: model.span, by: shownModel, to: &passed)
        } else {
            passed = event.bytes
        }
        if isEnd {
            terminal = passed
            tally.isComplete = true
        } else {
            output.writeBytes(passed.readableBytesView)
        }
        return nil
    }

    private func note(_ response: JSONNode, in tally: inout AnswerTally) {
        if let id = response.string("id") { tally.note(id: id.content) }
        if let usage = response["usage"], let counts = Usage(openAI: usage) { tally.usage = counts }
    }

    mutating func readDone(tally: inout AnswerTally, into output: inout ByteBuffer) {}

    mutating func whole(
        _ node: JSONNode, of bytes: ByteBuffer, tally: inout AnswerTally, allocator: ByteBufferAllocator
    ) -> Result<ByteBuffer, StreamFilter.Fault> {
        guard let items = node["output"], items.kind == .array else { return .failure(.notJSON) }
        if node.string("status").map({ $0 == "failed" }) ?? false { return .failure(.upstreamError) }
        note(node, in: &tally)
        for item in items.elements { tally.add(contentBytes: Self.contentBytes(of: item)) }
        guard let shownModel, let model = node["model"] else { return .success(bytes) }
        return .success(bytes.replacing(model.span, by: shownModel, allocator: allocator))
    }

    /// Of a message its texts, of a call its arguments.
    private static func contentBytes(of item: JSONNode) -> Int {
        if let arguments = item.string("arguments") { return arguments.content.count }
        let texts = item["content"].map { $0.elements.compactMap { $0.string("text") } } ?? []
        return texts.reduce(0) { $0 + $1.content.count }
    }
}
