import Inference
import Kernel
import NIOCore

/// What is sent to an upstream beside the body.
struct UpstreamRequest {
    /// What the requests of one kind to one endpoint have in common.
    struct Shape: Equatable {
        struct Field: Equatable {
            let name: String
            let value: String
        }

        /// Begins with `/`; stands behind the endpoint's own path.
        let path: String
        /// Media types.
        let accept: String
        /// Beside `host`, `content-type`, `accept` and `user-agent`.
        var extra: [Field] = []
    }

    /// What the upstream knows its caller by.
    struct Credential {
        var name = "authorization"
        let value: Secret

        /// Of its field, in bytes.
        var length: Int { name.utf8.count + value.reveal().utf8.count + 4 }
    }

    let shape: Shape
    let requestID: String
    let credential: Credential?
}

/// The bytes of a shape, rendered once for each connection: fields that are copied together cost a tenth of fields that
/// are put in one by one.
final class RequestTemplate {
    let shape: UpstreamRequest.Shape
    private let bytes: ByteBuffer

    /// What is longer is not copied behind its head: it goes to the socket from where it is.
    private static let mostCopied = 16 << 10

    /// - Returns: nil for a shape with a byte that no target or field may have.
    init?(_ shape: UpstreamRequest.Shape, to endpoint: Endpoint) {
        let target = endpoint.basePath + shape.path
        guard Self.isClean(target), !target.utf8.contains(UInt8(ascii: " ")), Self.isClean(endpoint.authority),
            Self.isClean(shape.accept), shape.extra.allSatisfy({ Self.isName($0.name) && Self.isClean($0.value) })
        else { return nil }
        self.shape = shape
        var text = "POST \(target) HTTP/1.1\r\nhost: \(endpoint.authority)\r\n"
        text += "content-type: application/json\r\naccept: \(shape.accept)\r\nuser-agent: volery\r\n"
        for field in shape.extra { text += "\(field.name): \(field.value)\r\n" }
        bytes = ByteBuffer(string: text + "content-length: ")
    }

    func fits(_ request: UpstreamRequest) -> Bool { shape == request.shape }

    /// Bytes that `render` writes at most.
    func room(for request: UpstreamRequest, _ body: ByteBuffer) -> Int {
        let own = 64 + request.requestID.utf8.count + (request.credential?.length ?? 0)
        return bytes.readableBytes + own + (isCopied(body) ? body.readableBytes : 0)
    }

    private func isCopied(_ body: ByteBuffer) -> Bool { body.readableBytes <= Self.mostCopied }

    /// A whole request, in one piece if its body is short.
    struct Rendered {
        let head: ByteBuffer
        var rest: ByteBuffer?
    }

    /// - Parameter room: an empty buffer.
    /// - Returns: nil if what is this request's own has a byte that no field may have.
    func render(_ request: UpstreamRequest, body: ByteBuffer, into room: consuming ByteBuffer) -> Rendered? {
        let secret = request.credential?.value.reveal() ?? ""
        let name = request.credential?.name ?? ""
        guard Self.isClean(request.requestID), Self.isClean(secret), name.isEmpty || Self.isName(name) else {
            return nil
        }
        var head = room
        let most = self.room(for: request, body)
        let isCopied = isCopied(body)
        head.writeWithUnsafeMutableBytes(minimumWritableBytes: most) { target in
            target.withMemoryRebound(to: UInt8.self) { target in
                var cursor = TextCursor(target)
                cursor.put(bytes)
                cursor.put(body.readableBytes)
                cursor.put("\r\nx-request-id: ")
                cursor.put(text: request.requestID)
                if !name.isEmpty {
                    cursor.put("\r\n")
                    cursor.put(text: name)
                    cursor.put(": ")
                    cursor.put(text: secret)
                }
                cursor.put("\r\n\r\n")
                if isCopied { cursor.put(body) }
                return cursor.count
            }
        }
        return Rendered(head: head, rest: isCopied ? nil : body)
    }

    /// A line's end in a value would be the beginning of another field, or of another request.
    private static func isClean(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { FieldText.isText(UnsafeRawBufferPointer($0)) }
    }

    private static func isName(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { FieldText.isToken(UnsafeRawBufferPointer($0)) }
    }
}
