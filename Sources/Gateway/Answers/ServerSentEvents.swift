import NIOCore

/// Cuts a stream of server-sent events into whole events, however the bytes come.
///
/// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
struct EventSplitter: Sendable {
    private var held = ByteBuffer()

    /// Takes bytes as they came. Whole events are read from the result with `next`; the rest is given back with `hold`.
    mutating func take(_ bytes: ByteBuffer) -> ByteBuffer {
        guard held.readableBytes > 0 else { return bytes }
        var bytes = bytes
        held.writeBuffer(&bytes)
        defer { held = ByteBuffer() }
        return held
    }

    /// The first event with the blank line that ends it; nil when it is not whole yet.
    static func next(in bytes: inout ByteBuffer) -> ByteBuffer? {
        guard let length = bytes.withUnsafeReadableBytes({ length(in: $0) }) else { return nil }
        return bytes.readSlice(length: length)
    }

    mutating func hold(_ rest: ByteBuffer) throws(StreamFilter.Fault) {
        guard rest.readableBytes <= StreamFilter.maximumEvent else { throw .eventTooLong }
        // A copy of its own, so that the rest of a large read is not kept alive by its tail.
        if rest.readableBytes > 0 { held = ByteBuffer(bytes: rest.readableBytesView) }
    }

    /// Of the first event, with the blank line that ends it; nil when it is not whole yet.
    static func length(in pointer: UnsafeRawBufferPointer) -> Int? {
        var index = 0
        while index < pointer.count {
            guard let lineEnd = newline(in: pointer, from: index) else { return nil }
            let next = lineEnd + 1
            guard next < pointer.count else { return nil }
            if pointer[next] == 0x0A { return next + 1 }
            if pointer[next] == 0x0D {
                guard next + 1 < pointer.count else { return nil }
                if pointer[next + 1] == 0x0A { return next + 2 }
            }
            index = next
        }
        return nil
    }

    fileprivate static func newline(in pointer: UnsafeRawBufferPointer, from index: Int) -> Int? {
        findByte(0x0A, in: UnsafeRawBufferPointer(rebasing: pointer[index...])).map { $0 + index }
    }
}

/// What the lines of one event hold.
enum EventContent {
    /// Where the value of the only `data` line stands, trimmed.
    case data(Range<Int>)
    /// Nothing but comments, which keep a connection alive.
    case comment
    case nothing
    /// An `error` field, by which some runtimes report instead of inside the data.
    case error
    /// More than one `data` line: no model's event, and not looked through here.
    case severalLines

    init(of event: UnsafeRawBufferPointer) {
        var found: Range<Int>?
        var hasOther = false
        var start = 0
        while start < event.count {
            let end = EventSplitter.newline(in: event, from: start) ?? event.count
            let line = UnsafeRawBufferPointer(rebasing: event[start..<end])
            if line.begins(with: "data:") {
                if found != nil {
                    self = .severalLines
                    return
                }
                found = Self.trimmed(start + 5..<end, of: event)
            } else if line.begins(with: "error:") {
                self = .error
                return
            } else if let first = line.first, first != UInt8(ascii: ":"), first != 0x0D {
                hasOther = true
            }
            start = end + 1
        }
        self = found.map { .data($0) } ?? (hasOther ? .nothing : .comment)
    }

    private static func trimmed(_ span: Range<Int>, of event: UnsafeRawBufferPointer) -> Range<Int> {
        var (from, to) = (span.lowerBound, span.upperBound)
        while from < to, event[from] == 0x20 { from += 1 }
        while to > from, event[to - 1] == 0x0D || event[to - 1] == 0x20 { to -= 1 }
        return from..<to
    }
}

extension UnsafeRawBufferPointer {
    func begins(with word: StaticString) -> Bool {
        guard count >= word.utf8CodeUnitCount else { return false }
        for place in 0..<word.utf8CodeUnitCount where self[place] != word.utf8Start[place] { return false }
        return true
    }
}
