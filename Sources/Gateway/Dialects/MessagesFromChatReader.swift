import Inference
import NIOCore

/// OpenAI's chat for a client of Anthropic's messages.
///
/// Chat tells its usage last, so that the message begins with counts of zero and `message_delta` has the true ones.
struct MessagesFromChatReader: EventReader {
    /// No answer has more; whatever has them is no model's.
    private static let mostBlocks = 4096

    private enum Block: Equatable {
        case none, text, thinking
        /// The call's number and name in the upstream's answer.
        case tool(index: Int?, id: [UInt8])
    }

    private let form: AnswerForm
    private var isStarted = false
    private var block = Block.none
    /// Blocks that were begun.
    private var blocks = 0
    private var reason = StopReason.end
    /// The text that ended the answer, as JSON with its quotes, from upstreams that say so.
    private var stopSequence = ByteBuffer()

    init(_ form: AnswerForm) { self.form = form }

    let terminal = ByteBuffer(staticString: "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")

    mutating func read(
        _ node: JSONNode, of event: StreamEvent, tally: inout AnswerTally, into output: inout ByteBuffer
    ) -> StreamFilter.Fault? {
        if node.reportsError { return .upstreamError }
        if let id = node.string("id") { tally.note(id: id.content) }
        if let usage = node["usage"] { tally.take(usage) }
        guard let choices = node["choices"] else { return nil }
        // The request asked for one.
        guard let choice = choices.elements.first(where: { ($0["index"]?.integer ?? 0) == 0 }) else { return nil }
        if choice.reportsError { return .upstreamError }
        start(node, &output)
        if let delta = choice["delta"] {
            var produced = 0
            let fault = read(delta, &produced, &output)
            tally.add(contentBytes: produced)
            if let fault { return fault }
        }
        if let word = choice.string("finish_reason") {
            reason = StopReason(chat: word)
            // vLLM's name for the text that ended the answer.
            if let sequence = choice["stop_reason"], sequence.kind == .string {
                stopSequence = ByteBuffer(bytes: sequence.raw)
            }
        }
        return nil
    }

    mutating func readDone(tally: inout AnswerTally, into output: inout ByteBuffer) {
        if !isStarted {
            isStarted = true
            MessagesAnswer.writeStart(of: nil, form, to: &output)
        }
        endBlock(&output)
        var writer = JSONWriter(ByteBuffer())
        writer.beginObject()
        writer.member("type", literal: #""message_delta""#)
        writer.name("delta")
        writer.beginObject()
        MessagesAnswer.writeStop(reason, sequence: stopSequence, to: &writer)
        writer.endObject()
        writer.name("usage")
        writer.beginObject()
        (tally.usage ?? Usage(inputTokens: 0, outputTokens: tally.likelyOutput, source: .estimated))
            .writeMessagesCounts(to: &writer)
        writer.endObject()
        writer.endObject()
        output.writeStaticString("event: message_delta\ndata: ")
        output.writeImmutableBuffer(writer.buffer)
        output.writeStaticString("\n\n")
        tally.isComplete = true
    }

    private mutating func start(_ node: JSONNode, _ output: inout ByteBuffer) {
        guard !isStarted else { return }
        isStarted = true
        MessagesAnswer.writeStart(of: node, form, to: &output)
    }

    // MARK: Deltas

    private mutating func read(
        _ delta: JSONNode, _ produced: inout Int, _ output: inout ByteBuffer
    ) -> StreamFilter.Fault? {
        for (name, value) in delta.members {
            if let text = value.string {
                guard !text.content.isEmpty else { continue }
                if name == "content" || name == "refusal" {
                    produced += text.content.count
                    begin(.text, &output)
                    writeDelta(#"{"type":"text_delta","text":""#, text, &output)
                } else if name == "reasoning_content" || name == "reasoning" {
                    produced += text.content.count
                    guard form.showsThinking else { continue }
                    begin(.thinking, &output)
                    writeDelta(#"{"type":"thinking_delta","thinking":""#, text, &output)
                }
            } else if name == "content", !value.isNull {
                // Parts of kinds that are not known here: better no answer than one with holes.
                return .notJSON
            } else if name == "tool_calls" {
                for call in value.elements {
                    if let fault = read(call: call, &produced, &output) { return fault }
                }
            }
        }
        return blocks > Self.mostBlocks ? .notJSON : nil
    }

    private mutating func read(
        call: JSONNode, _ produced: inout Int, _ output: inout ByteBuffer
    ) -> StreamFilter.Fault? {
        let index = call["index"]?.integer
        let id = call.string("id")
        let function = call["function"]
        if !continues(index: index, id: id, isNamed: function?.string("name") != nil) {
            // A call that is over does not go on: its block was closed, and its arguments would be another's.
            guard let name = function?.string("name"), !name.content.isEmpty else { return .notJSON }
            produced += name.content.count
            beginTool(index: index, id: id, name: name, &output)
        }
        if let arguments = function?.string("arguments"), !arguments.content.isEmpty {
            produced += arguments.content.count
            writeDelta(#"{"type":"input_json_delta","partial_json":""#, arguments, &output)
        }
        return nil
    }

    /// Whether a piece belongs to the call whose block is open. Some upstreams number no calls, some repeat the name.
    private func continues(index: Int?, id: JSONString?, isNamed: Bool) -> Bool {
        guard case .tool(let openIndex, let openID) = block else { return false }
        if let index, let openIndex { return index == openIndex }
        if let id, !id.content.isEmpty { return id.content.elementsEqual(openID) }
        return !isNamed
    }

    // MARK: Blocks

    private mutating func begin(_ wanted: Block, _ output: inout ByteBuffer) {
        guard block != wanted else { return }
        openBlock(wanted, &output)
        output.writeStaticString(
            wanted == .text
                ? #"{"type":"text","text":""}"# : #"{"type":"thinking","thinking":"","signature":""}"#)
        output.writeStaticString("}\n\n")
    }

    private mutating func beginTool(
        index: Int?, id: JSONString?, name: JSONString, _ output: inout ByteBuffer
    ) {
        openBlock(.tool(index: index, id: id.map { Array($0.content) } ?? []), &output)
        output.writeStaticString(#"{"type":"tool_use","id":"#)
        MessagesAnswer.writeCallID(id, number: blocks, form, to: &output)
        output.writeStaticString(#","name":""#)
        output.writeBytes(name.content)
        output.writeStaticString("\",\"input\":{}}}\n\n")
    }

    /// Writes all of the event but the block and what follows it.
    private mutating func openBlock(_ opened: Block, _ output: inout ByteBuffer) {
        endBlock(&output)
        block = opened
        blocks += 1
        output.writeStaticString(
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":")
        output.writeDecimal(blocks - 1)
        output.writeStaticString(",\"content_block\":")
    }

    private mutating func endBlock(_ output: inout ByteBuffer) {
        guard block != .none else { return }
        block = .none
        output.writeStaticString("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":")
        output.writeDecimal(blocks - 1)
        output.writeStaticString("}\n\n")
    }

    private func writeDelta(_ start: StaticString, _ text: JSONString, _ output: inout ByteBuffer) {
        output.writeStaticString(
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":")
        output.writeDecimal(blocks - 1)
        output.writeStaticString(",\"delta\":")
        output.writeStaticString(start)
        output.writeBytes(text.content)
        output.writeStaticString("\"}}\n\n")
    }

    // MARK: Whole answers

    mutating func whole(
        _ node: JSONNode, of bytes: ByteBuffer, tally: inout AnswerTally, allocator: ByteBufferAllocator
    ) -> Result<ByteBuffer, StreamFilter.Fault> {
        if node["choices"]?.elements.contains(where: \.reportsError) == true { return .failure(.upstreamError) }
        if let id = node.string("id") { tally.note(id: id.content) }
        if let usage = node["usage"] { tally.take(usage) }
        let buffer = allocator.buffer(capacity: bytes.readableBytes + 256)
        guard let answer = MessagesAnswer.write(node, form, tally: &tally, to: buffer) else {
            return .failure(.notJSON)
        }
        return .success(answer)
    }
}
