import Inference
import NIOCore

/// A whole answer of OpenAI's chat, made from a whole message of Anthropic's.
enum ChatAnswer {
    /// `id` to `model`, without a brace: the same in an answer and in each chunk of a stream.
    static func writeHead(
        of message: JSONNode, kind: StaticString, _ form: AnswerForm, to buffer: inout ByteBuffer
    ) {
        buffer.writeStaticString("\"id\":")
        if let id = message["id"], id.kind == .string {
            buffer.writeBytes(id.raw)
        } else {
            buffer.writeJSONString(form.fallbackID)
        }
        buffer.writeStaticString(",\"object\":")
        buffer.writeStaticString(kind)
        buffer.writeStaticString(",\"created\":")
        buffer.writeString(String(form.created))
        buffer.writeStaticString(",\"model\":")
        if let model = message["model"], model.kind == .string, form.shownModel == nil {
            buffer.writeBytes(model.raw)
        } else {
            buffer.writeJSONString(form.shownModel ?? "")
        }
    }

    /// - Returns: false when the message is not one.
    static func write(
        _ message: JSONNode, _ form: AnswerForm, tally: inout AnswerTally, to buffer: inout ByteBuffer
    ) -> Bool {
        guard let content = message["content"], content.kind == .array else { return false }
        if let id = message.string("id") { tally.note(id: id.content) }
        for block in content.elements { tally.add(contentBytes: MessagesReader.produced(in: block)) }
        buffer.writeStaticString("{")
        writeHead(of: message, kind: #""chat.completion""#, form, to: &buffer)
        buffer.writeStaticString(#","choices":[{"index":0,"message":{"role":"assistant","content":"#)
        if !writeTexts("text", of: content, to: &buffer) { buffer.writeStaticString("null") }
        buffer.writeStaticString(",\"refusal\":null")
        var thought = ByteBuffer()
        if writeTexts("thinking", of: content, to: &thought) {
            buffer.writeStaticString(",\"reasoning_content\":")
            buffer.writeImmutableBuffer(thought)
        }
        guard writeCalls(of: content, to: &buffer) else { return false }
        let reason = message.string("stop_reason").map { StopReason(messages: $0) } ?? .end
        buffer.writeStaticString("},\"logprobs\":null,\"finish_reason\":")
        buffer.writeStaticString(reason.chat)
        buffer.writeStaticString("}]")
        if let usage = tally.usage {
            var writer = JSONWriter(ByteBuffer())
            writer.beginObject()
            usage.writeChatCounts(to: &writer)
            writer.endObject()
            buffer.writeStaticString(",\"usage\":")
            buffer.writeImmutableBuffer(writer.buffer)
        }
        buffer.writeStaticString("}")
        return true
    }

    /// The texts of all blocks of a kind, as one.
    /// - Returns: false when there is none, and nothing was written.
    private static func writeTexts(
        _ kind: StaticString, of content: JSONNode, to buffer: inout ByteBuffer
    ) -> Bool {
        var isOpen = false
        for block in content.elements {
            guard let type = block.string("type"), type == kind, let text = block.string(kind) else { continue }
            if !isOpen { buffer.writeStaticString("\"") }
            isOpen = true
            buffer.writeBytes(text.content)
        }
        if isOpen { buffer.writeStaticString("\"") }
        return isOpen
    }

    private static func writeCalls(of content: JSONNode, to buffer: inout ByteBuffer) -> Bool {
        var count = 0
        for block in content.elements {
            guard let type = block.string("type"), type == "tool_use" else { continue }
            guard let id = block.string("id"), let name = block.string("name"), let input = block["input"],
                input.kind == .object
            else { return false }
            buffer.writeStaticString(count == 0 ? #","tool_calls":["# : ",")
            count += 1
            buffer.writeStaticString(#"{"id":""#)
            buffer.writeBytes(id.content)
            buffer.writeStaticString(#"","type":"function","function":{"name":""#)
            buffer.writeBytes(name.content)
            buffer.writeStaticString(#"","arguments":"#)
            buffer.writeJSONString(holding: input.raw)
            buffer.writeStaticString("}}")
        }
        if count > 0 { buffer.writeStaticString("]") }
        return true
    }
}
