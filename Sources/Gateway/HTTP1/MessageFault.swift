/// Why bytes are not a message of HTTP/1.1 that can be trusted. Where a message ends is never guessed: what two readers
/// could understand differently is refused (RFC 9112, section 11).
enum MessageFault: Error, Equatable {
    case startLine
    /// A version that is not spoken here.
    case version
    /// A field's name or value, or a line that goes on in the next one.
    case field
    /// Start line and fields, or trailers, are longer than the limit, or too many.
    case headTooLarge
    case contentLength
    case transferEncoding
    /// A request without a host, or with two.
    case host
    /// A chunk's size, its extension, or what stands behind its bytes.
    case chunk
    /// More answers before the answer than anybody needs, or another protocol that nobody asked for.
    case informational
}
