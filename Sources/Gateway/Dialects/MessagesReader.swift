import Inference
import NIOCore

/// Anthropic's messages that pass on as they come, but for the model's name.
struct MessagesReader: EventReader {
    private let shownModel: String?
    private var counts = MessagesCounts()
    private(set) var terminal = ByteBuffer()

    init(_ form: AnswerForm) { shownModel = form.shownModel }

    mutating func read(
        _ node: JSONNode, of event: StreamEvent, tally: inout AnswerTally, into output: inout ByteBuffer
    ) -> StreamFilter.Fault? {
        guard let type = node.string("type") else { return .notJSON }
        if type == "error" { return .upstreamError }
        if type == "content_block_delta" {
            tally.add(contentBytes: node["delta"].map { Self.produced(by: $0) } ?? 0)
        } else if type == "message_start" {
            guard let message = node["message"], message.kind == .object else { return .notJSON }
            if let id = message.string("id") { tally.note(id: id.content) }
            if let usage = message["usage"] { counts.take(usage) }
            tally.inputTokens = counts.usage?.inputTokens
            if let shownModel, let model = message["model"] {
                event.write(replacing: model.span, by: shownModel, to: &output)
                return nil
            }
        } else if type == "message_delta" {
            if let usage = node["usage"] {
                counts.take(usage)
                tally.usage = counts.usage
            }
        } else if type == "message_stop" {
            terminal = event.bytes
            tally.isComplete = true
            return nil
        }
        output.writeBytes(event.bytes.readableBytesView)
        return nil
    }

    /// Of what a model produced in one step.
    static func produced(by delta: JSONNode) -> Int {
        let produced = delta.string("text") ?? delta.string("partial_json") ?? delta.string("thinking")
        return produced?.content.count ?? 0
    }

    mutating func readDone(tally: inout AnswerTally, into output: inout ByteBuffer) {}

    mutating func whole(
        _ node: JSONNode, of bytes: ByteBuffer, tally: inout AnswerTally, allocator: ByteBufferAllocator
    ) -> Result<ByteBuffer, StreamFilter.Fault> {
        guard let content = node["content"], content.kind == .array else { return .failure(.notJSON) }
        if let id = node.string("id") { tally.note(id: id.content) }
        if let usage = node["usage"] {
            counts.take(usage)
            tally.usage = counts.usage
        }
        for block in content.elements { tally.add(contentBytes: Self.produced(in: block)) }
        guard let shownModel, let model = node["model"] else { return .success(bytes) }
        return .success(bytes.replacing(model.span, by: shownModel, allocator: allocator))
    }

    static func produced(in block: JSONNode) -> Int {
        block["input"]?.raw.count ?? produced(by: block)
    }
}
