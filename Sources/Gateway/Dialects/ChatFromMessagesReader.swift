import Inference
import NIOCore

/// Anthropic's messages for a client of OpenAI's chat.
///
/// Source: https://docs.claude.com/en/docs/build-with-claude/streaming
struct ChatFromMessagesReader: EventReader {
    /// No answer has more; whatever has them is no model's.
    private static let mostTools = 1024

    private struct Tool: Sendable {
        /// Its block's number in the upstream's answer.
        let block: Int
        var hasArguments = false
    }

    private let form: AnswerForm
    /// Every chunk from its start to its delta; empty until the message began.
    private var prefix = ByteBuffer()
    private var counts = MessagesCounts()
    private var tools: [Tool] = []
    private var isFinished = false

    init(_ form: AnswerForm) { self.form = form }

    var terminal: ByteBuffer { AnswerStream.done }

    mutating func readDone(tally: inout AnswerTally, into output: inout ByteBuffer) {}

    mutating func read(
        _ node: JSONNode, of event: StreamEvent, tally: inout AnswerTally, into output: inout ByteBuffer
    ) -> StreamFilter.Fault? {
        guard let type = node.string("type") else { return .notJSON }
        if type == "content_block_delta" { return delta(node, &tally, &output) }
        if type == "ping" { return nil }
        if type == "error" { return .upstreamError }
        if type == "message_start" { return start(node, &tally, &output) }
        guard prefix.readableBytes > 0 else { return .notJSON }
        if type == "content_block_start" { return startBlock(node, &tally, &output) }
        if type == "content_block_stop" {
            endBlock(node, &output)
        } else if type == "message_delta" {
            if let usage = node["usage"] {
                counts.take(usage)
                tally.usage = counts.usage
            }
            if let reason = node["delta"]?.string("stop_reason") { finish(StopReason(messages: reason), &output) }
        } else if type == "message_stop" {
            finish(.end, &output)
            if form.wantsUsage, let usage = tally.usage { writeUsage(usage, &output) }
            tally.isComplete = true
        }
        // What is not known is new, and says nothing that a chat's client waits for.
        return nil
    }

    // MARK: Events

    private mutating func start(
        _ node: JSONNode, _ tally: inout AnswerTally, _ output: inout ByteBuffer
    ) -> StreamFilter.Fault? {
        guard prefix.readableBytes == 0, let message = node["message"], message.kind == .object else {
            return .notJSON
        }
        if let usage = message["usage"] { counts.take(usage) }
        tally.inputTokens = counts.usage?.inputTokens
        if let id = message.string("id") { tally.note(id: id.content) }
        prefix.writeStaticString("data: {")
        ChatAnswer.writeHead(of: message, kind: #""chat.completion.chunk""#, form, to: &prefix)
        prefix.writeStaticString(#","choices":[{"index":0,"delta":"#)
        open(&output)
        output.writeStaticString(#"{"role":"assistant","content":""}"#)
        close(&output)
        return nil
    }

    private mutating func startBlock(
        _ node: JSONNode, _ tally: inout AnswerTally, _ output: inout ByteBuffer
    ) -> StreamFilter.Fault? {
        guard let block = node["content_block"], let type = block.string("type") else { return .notJSON }
        if type == "tool_use" {
            guard let id = block.string("id"), let name = block.string("name"), tools.count < Self.mostTools else {
                return .notJSON
            }
            tools.append(Tool(block: node["index"]?.integer ?? tools.count))
            tally.add(contentBytes: name.content.count)
            open(&output)
            output.writeStaticString(#"{"tool_calls":[{"index":"#)
            output.writeDecimal(tools.count - 1)
            output.writeStaticString(#","id":""#)
            output.writeBytes(id.content)
            output.writeStaticString(#"","type":"function","function":{"name":""#)
            output.writeBytes(name.content)
            output.writeStaticString(#"","arguments":""}}]}"#)
            close(&output)
            if let input = block["input"], input.kind == .object, !input.isEmpty {
                tools[tools.count - 1].hasArguments = true
                writeArguments(of: tools.count - 1, &output) { $0.writeJSONString(holding: input.raw) }
            }
        } else if type == "text", let text = block.string("text"), !text.content.isEmpty {
            tally.add(contentBytes: text.content.count)
            writeText(text, as: #"{"content":""#, &output)
        }
        return nil
    }

    private mutating func delta(
        _ node: JSONNode, _ tally: inout AnswerTally, _ output: inout ByteBuffer
    ) -> StreamFilter.Fault? {
        guard prefix.readableBytes > 0, let delta = node["delta"] else { return .notJSON }
        tally.add(contentBytes: MessagesReader.produced(by: delta))
        if let text = delta.string("text") {
            writeText(text, as: #"{"content":""#, &output)
        } else if let thought = delta.string("thinking") {
            writeText(thought, as: #"{"reasoning_content":""#, &output)
        } else if let piece = delta.string("partial_json") {
            guard !piece.content.isEmpty else { return nil }
            let block = node["index"]?.integer ?? tools.last?.block
            // Of a tool that the provider runs itself, which a chat cannot ask for.
            guard let number = tools.lastIndex(where: { $0.block == block }) else { return nil }
            tools[number].hasArguments = true
            writeArguments(of: number, &output) { output in
                output.writeStaticString("\"")
                output.writeBytes(piece.content)
                output.writeStaticString("\"")
            }
        }
        return nil
    }

    /// A call without arguments has had none to tell; a chat's client reads an object all the same.
    private mutating func endBlock(_ node: JSONNode, _ output: inout ByteBuffer) {
        guard let block = node["index"]?.integer,
            let number = tools.lastIndex(where: { $0.block == block }), !tools[number].hasArguments
        else { return }
        tools[number].hasArguments = true
        writeArguments(of: number, &output) { $0.writeStaticString(#""{}""#) }
    }

    private mutating func finish(_ reason: StopReason, _ output: inout ByteBuffer) {
        guard !isFinished else { return }
        isFinished = true
        open(&output)
        output.writeStaticString("{}")
        close(&output, reason: reason.chat)
    }

    // MARK: Chunks

    private func open(_ output: inout ByteBuffer) { output.writeBytes(prefix.readableBytesView) }

    private func close(_ output: inout ByteBuffer, reason: StaticString = "null") {
        output.writeStaticString(#","logprobs":null,"finish_reason":"#)
        output.writeStaticString(reason)
        output.writeStaticString(form.wantsUsage ? "}],\"usage\":null}\n\n" : "}]}\n\n")
    }

    private func writeText(_ text: JSONString, as start: StaticString, _ output: inout ByteBuffer) {
        guard !text.content.isEmpty else { return }
        open(&output)
        output.writeStaticString(start)
        output.writeBytes(text.content)
        output.writeStaticString("\"}")
        close(&output)
    }

    private func writeArguments(
        of number: Int, _ output: inout ByteBuffer, _ write: (inout ByteBuffer) -> Void
    ) {
        open(&output)
        output.writeStaticString(#"{"tool_calls":[{"index":"#)
        output.writeDecimal(number)
        output.writeStaticString(#","function":{"arguments":"#)
        write(&output)
        output.writeStaticString("}}]}")
        close(&output)
    }

    private func writeUsage(_ usage: Usage, _ output: inout ByteBuffer) {
        // The prefix with no choice instead of the one that it begins.
        let begun = #"[{"index":0,"delta":"#.utf8.count
        output.writeBytes(prefix.readableBytesView.dropLast(begun))
        output.writeStaticString(#"[],"usage":"#)
        var writer = JSONWriter(ByteBuffer())
        writer.beginObject()
        usage.writeChatCounts(to: &writer)
        writer.endObject()
        output.writeImmutableBuffer(writer.buffer)
        output.writeStaticString("}\n\n")
    }

    // MARK: Whole answers

    mutating func whole(
        _ node: JSONNode, of bytes: ByteBuffer, tally: inout AnswerTally, allocator: ByteBufferAllocator
    ) -> Result<ByteBuffer, StreamFilter.Fault> {
        if let usage = node["usage"] {
            counts.take(usage)
            tally.usage = counts.usage
        }
        var buffer = allocator.buffer(capacity: bytes.readableBytes + 256)
        guard ChatAnswer.write(node, form, tally: &tally, to: &buffer) else { return .failure(.notJSON) }
        return .success(buffer)
    }
}
