import Inference
import NIOCore

/// A whole message of Anthropic's, made from a whole answer of OpenAI's chat; and the parts that a stream has too.
enum MessagesAnswer {
    /// - Parameter chunk: the upstream's first; nil where it ended without one.
    static func writeStart(of chunk: JSONNode?, _ form: AnswerForm, to output: inout ByteBuffer) {
        var writer = JSONWriter(ByteBuffer())
        writer.beginObject()
        writer.member("type", literal: #""message_start""#)
        writer.name("message")
        writer.beginObject()
        writeHead(of: chunk, form, to: &writer)
        writer.member("content", literal: "[]")
        writer.member("stop_reason", literal: "null")
        writer.member("stop_sequence", literal: "null")
        writer.name("usage")
        writer.beginObject()
        Usage.none.writeMessagesCounts(to: &writer)
        writer.endObject()
        writer.endObject()
        writer.endObject()
        output.writeStaticString("event: message_start\ndata: ")
        output.writeImmutableBuffer(writer.buffer)
        output.writeStaticString("\n\n")
    }

    static func writeStop(_ reason: StopReason, sequence: ByteBuffer, to writer: inout JSONWriter) {
        let isSequence = reason == .end && sequence.readableBytes > 0
        writer.member("stop_reason", literal: isSequence ? #""stop_sequence""# : reason.messages)
        writer.name("stop_sequence")
        if isSequence {
            writer.value { $0.writeBytes(sequence.readableBytesView) }
        } else {
            writer.literal("null")
        }
    }

    /// A call's name, made from the answer's where the upstream gives none.
    static func writeCallID(
        _ id: JSONString?, number: Int, _ form: AnswerForm, to buffer: inout ByteBuffer
    ) {
        if let id, !id.content.isEmpty {
            buffer.writeStaticString("\"")
            buffer.writeBytes(id.content)
            buffer.writeStaticString("\"")
        } else {
            buffer.writeJSONString("toolu_\(form.fallbackID)_\(number)")
        }
    }

    /// - Returns: nil when the answer has no message, or a call whose arguments are no object.
    static func write(
        _ answer: JSONNode, _ form: AnswerForm, tally: inout AnswerTally, to buffer: ByteBuffer
    ) -> ByteBuffer? {
        guard let choice = answer["choices"]?.elements.first(where: { _ in true }),
            let message = choice["message"], message.kind == .object
        else { return nil }
        var writer = JSONWriter(buffer)
        writer.beginObject()
        writeHead(of: answer, form, to: &writer)
        writer.name("content")
        writer.beginArray()
        guard writeContent(of: message, form, tally: &tally, to: &writer) else { return nil }
        writer.endArray()
        let reason = choice.string("finish_reason").map { StopReason(chat: $0) } ?? .end
        let sequence = choice["stop_reason"].flatMap { $0.kind == .string ? ByteBuffer(bytes: $0.raw) : nil }
        writeStop(reason, sequence: sequence ?? ByteBuffer(), to: &writer)
        writer.name("usage")
        writer.beginObject()
        (tally.usage ?? Usage(inputTokens: 0, outputTokens: tally.likelyOutput, source: .estimated))
            .writeMessagesCounts(to: &writer)
        writer.endObject()
        writer.endObject()
        return writer.buffer
    }

    private static func writeHead(of answer: JSONNode?, _ form: AnswerForm, to writer: inout JSONWriter) {
        if let id = answer?.string("id"), !id.content.isEmpty {
            writer.member("id", id)
        } else {
            writer.member("id", text: form.fallbackID)
        }
        writer.member("type", literal: #""message""#)
        writer.member("role", literal: #""assistant""#)
        if let model = answer?.string("model"), form.shownModel == nil {
            writer.member("model", model)
        } else {
            writer.member("model", text: form.shownModel ?? "")
        }
    }

    private static func writeContent(
        of message: JSONNode, _ form: AnswerForm, tally: inout AnswerTally, to writer: inout JSONWriter
    ) -> Bool {
        if let thought = message.string("reasoning_content") ?? message.string("reasoning"), !thought.content.isEmpty {
            tally.add(contentBytes: thought.content.count)
            if form.showsThinking { writeThinking(thought, to: &writer) }
        }
        if let content = message["content"], content.kind != .string, !content.isNull { return false }
        for text in [message.string("content"), message.string("refusal")] {
            guard let text, !text.content.isEmpty else { continue }
            tally.add(contentBytes: text.content.count)
            writeText(text, to: &writer)
        }
        guard let calls = message["tool_calls"] else { return true }
        for (number, call) in calls.elements.enumerated() {
            guard let function = call["function"], let name = function.string("name"),
                let input = ToolArguments.object(in: function.string("arguments"))
            else { return false }
            tally.add(contentBytes: name.content.count + input.utf8.count)
            writer.beginObject()
            writer.member("type", literal: #""tool_use""#)
            writer.name("id")
            writer.value { writeCallID(call.string("id"), number: number + 1, form, to: &$0) }
            writer.member("name", name)
            writer.name("input")
            writer.value { $0.writeString(input) }
            writer.endObject()
        }
        return true
    }

    private static func writeText(_ text: JSONString, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("type", literal: #""text""#)
        writer.member("text", text)
        writer.endObject()
    }

    private static func writeThinking(_ thought: JSONString, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("type", literal: #""thinking""#)
        writer.member("thinking", thought)
        // Only Anthropic signs; a client reads the member all the same.
        writer.member("signature", literal: #""""#)
        writer.endObject()
    }
}
