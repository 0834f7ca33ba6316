import Inference
import Kernel
import NIOCore

/// Images: in chat one address, which may hold the picture itself; in messages a source of one of two kinds.
enum ImageParts {
    // MARK: Chat to messages

    /// Writes a block of Anthropic's from a chat's part of the type `image_url`.
    static func writeBlock(
        of part: JSONNode, _ path: String, leftOut: inout LeftOut, to writer: inout JSONWriter
    ) throws(Problem) {
        writer.beginObject()
        writer.member("type", literal: #""image""#)
        for (name, value) in part.members where !value.isNull && !(name == "type") {
            switch name.text {
            case "image_url": try writeSource(of: value, path + ".image_url", leftOut: &leftOut, to: &writer)
            case "cache_control": writer.member("cache_control", value)
            case let other: throw Untranslatable.problem("\(path).\(other)", over: .anthropic)
            }
        }
        writer.endObject()
    }

    private static func writeSource(
        of image: JSONNode, _ path: String, leftOut: inout LeftOut, to writer: inout JSONWriter
    ) throws(Problem) {
        // Some clients send the address itself where the object belongs.
        guard let url = image.string ?? image.string("url") else {
            throw Untranslatable.wrong(path + ".url", "is missing", "Send the image's address, or a `data:` URL.")
        }
        for (name, value) in image.members where !value.isNull && !(name == "url") {
            guard name == "detail" else { throw Untranslatable.problem("\(path).\(name.text)", over: .anthropic) }
            // How closely to look is the model's own matter there.
            if let word = value.string, !(word == "auto") { leftOut.add("image_url.detail") }
        }
        writer.name("source")
        writer.beginObject()
        if url.content.starts(with: "http".utf8) {
            writer.member("type", literal: #""url""#)
            writer.member("url", url)
        } else {
            guard let (type, data) = picture(in: url) else {
                throw Untranslatable.wrong(
                    path + ".url", "is neither an address of HTTP nor a picture in base64",
                    "Send `https://…`, or `data:image/png;base64,…`.")
            }
            writer.member("type", literal: #""base64""#)
            writer.member("media_type", type)
            writer.member("data", data)
        }
        writer.endObject()
    }

    /// Media type and data of `data:image/png;base64,…`. Both stay as they are escaped: what is cut at is never so.
    private static func picture(in url: JSONString) -> (JSONString, JSONString)? {
        let bytes = UnsafeRawBufferPointer(url.content)
        guard bytes.starts(with: "data:".utf8), let comma = findByte(UInt8(ascii: ","), in: bytes) else { return nil }
        let head = url.content[5..<comma]
        let type = head.prefix { $0 != UInt8(ascii: ";") }
        guard !type.isEmpty, head.suffix(7).elementsEqual(";base64".utf8) else { return nil }
        return (
            JSONString(content: UnsafeBufferPointer(rebasing: type), isEscaped: url.isEscaped),
            JSONString(content: UnsafeBufferPointer(rebasing: url.content[(comma + 1)...]), isEscaped: url.isEscaped)
        )
    }

    // MARK: Messages to chat

    /// Writes a chat's part from a block of the type `image`.
    static func writePart(
        of block: JSONNode, _ path: String, leftOut: inout LeftOut, to writer: inout JSONWriter
    ) throws(Problem) {
        for (name, value) in block.members where !value.isNull && !(name == "type" || name == "source") {
            guard name == "cache_control" else { throw Untranslatable.problem("\(path).\(name.text)", over: .openAI) }
            leftOut.add("cache_control")
        }
        let source = try (block["source"] ?? block).object(path + ".source")
        let path = path + ".source"
        writer.beginObject()
        writer.member("type", literal: #""image_url""#)
        writer.name("image_url")
        writer.beginObject()
        switch source.string("type")?.text {
        case "url": writer.member("url", try source.text("url", in: path))
        case "base64":
            let type = try source.text("media_type", in: path)
            let data = try source.text("data", in: path)
            writer.name("url")
            writer.value {
                $0.writeStaticString("\"data:")
                $0.writeBytes(type.content)
                $0.writeStaticString(";base64,")
                $0.writeBytes(data.content)
                $0.writeStaticString("\"")
            }
        default: throw Untranslatable.problem(path + ".type", over: .openAI)
        }
        writer.endObject()
        writer.endObject()
    }
}
