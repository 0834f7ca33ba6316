package import Inference
package import NIOCore

/// Passes a stream of server-sent events on, event by event, and watches it.
///
/// - Only whole events go out, so that a stream that breaks can be ended by an event of ours.
/// - The usage event is kept back from a client that did not ask for it.
/// - `[DONE]` is held: whoever ends the answer records its usage first and sends the end then.
///
/// Source of the framing: https://html.spec.whatwg.org/multipage/server-sent-events.html
package struct StreamFilter: Sendable {
    /// An event longer than this is no event of a model.
    package static let maximumEvent = 4 << 20

    package enum Fault: Error, Equatable {
        case eventTooLong
        /// An event whose data is neither JSON nor `[DONE]`.
        case notJSON
        /// The upstream reported an error inside the stream.
        case upstreamError
    }

    private let wantsUsage: Bool
    /// The name that the client sees; nil leaves the upstream's.
    private let model: String?
    private var held = ByteBuffer()

    package private(set) var usage: Usage?
    /// Events that carried something produced: what is counted when the upstream never says.
    package private(set) var contentEvents = 0
    /// Bytes of what was produced, as JSON.
    package private(set) var contentBytes = 0
    /// The upstream's own name for the answer.
    package private(set) var upstreamID: String?
    /// Whether the upstream's terminal event came.
    package private(set) var isComplete = false

    package init(wantsUsage: Bool, model: String?) {
        self.wantsUsage = wantsUsage
        self.model = model
    }

    /// What was produced when the upstream never says: an event has at least one token, and a token about four bytes.
    package var likelyOutput: Int { max(contentEvents, contentBytes / 4) }

    /// Takes what a whole answer, one that is no stream, says of itself.
    /// - Parameter bytes: what the answer was read from.
    package mutating func note(_ answer: AnswerFacts, of bytes: UnsafeRawBufferPointer) {
        if let usage = answer.usage { self.usage = usage }
        if answer.hasContent { contentEvents += 1 }
        contentBytes += answer.contentBytes
        if upstreamID == nil, let span = answer.idSpan { upstreamID = Self.name(bytes[span]) }
    }

    /// - Returns: nil for what is no name that a bill would have.
    private static func name(_ bytes: Slice<UnsafeRawBufferPointer>) -> String? {
        let isName = (1...128).contains(bytes.count) && bytes.allSatisfy { (0x21...0x7E).contains($0) }
        return isName ? String(decoding: bytes, as: UTF8.self) : nil
    }

    /// Takes bytes as they came, and appends to `output` what may go to the client now.
    package mutating func feed(_ bytes: ByteBuffer, into output: inout ByteBuffer) throws(Fault) {
        var bytes = bytes
        if held.readableBytes > 0 {
            held.writeBuffer(&bytes)
            bytes = held
            held = ByteBuffer()
        }
        while let length = Self.eventLength(in: bytes) {
            guard let event = bytes.readSlice(length: length) else { break }
            guard !isComplete else { continue }
            try pass(event, into: &output)
        }
        guard bytes.readableBytes <= Self.maximumEvent else { throw .eventTooLong }
        if bytes.readableBytes > 0 {
            // A copy of its own, so that the rest of a large read is not kept alive by its tail.
            held = ByteBuffer(bytes: bytes.readableBytesView)
        }
    }

    /// Bytes of the first event with the blank line that ends it, or nil when it is not whole yet.
    private static func eventLength(in bytes: ByteBuffer) -> Int? {
        bytes.withUnsafeReadableBytes { pointer -> Int? in
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
    }

    private static func newline(in pointer: UnsafeRawBufferPointer, from index: Int) -> Int? {
        findByte(0x0A, in: UnsafeRawBufferPointer(rebasing: pointer[index...])).map { $0 + index }
    }

    private enum Edit {
        case name(Range<Int>)
        case remove(Range<Int>)

        var span: Range<Int> {
            switch self {
            case .name(let span), .remove(let span): span
            }
        }
    }

    private enum Verdict {
        case pass, drop, done
        /// To be changed in these places of its data, in order; and where the data begins.
        case edit([Edit], at: Int)
        case fault(Fault)
    }

    private mutating func pass(_ event: ByteBuffer, into output: inout ByteBuffer) throws(Fault) {
        let verdict = event.withUnsafeReadableBytes { judge($0) }
        switch verdict {
        case .pass: output.writeImmutableBuffer(event)
        case .drop: break
        case .done: isComplete = true
        case .edit(let edits, let offset): apply(edits, at: offset, to: event, into: &output)
        case .fault(let fault): throw fault
        }
    }

    private mutating func judge(_ event: UnsafeRawBufferPointer) -> Verdict {
        let data: Range<Int>
        switch Self.content(of: event) {
        case .data(let span): data = span
        case .comment: return .pass
        case .nothing: return .drop
        case .error: return .fault(.upstreamError)
        case .severalLines: return .fault(.notJSON)
        }
        let payload = UnsafeRawBufferPointer(rebasing: event[data])
        if payload.elementsEqual("[DONE]".utf8) { return .done }
        guard let facts = AnswerReader.read(payload) else { return .fault(.notJSON) }
        if facts.hasError { return .fault(.upstreamError) }
        note(facts, of: payload)
        if facts.usage != nil, facts.hasEmptyChoices, !wantsUsage { return .drop }
        var edits: [Edit] = []
        // Completions carry their usage in the last event with content, which must pass without it.
        if !wantsUsage, let span = facts.usageMember { edits.append(.remove(span)) }
        if model != nil, let span = facts.modelSpan { edits.append(.name(span)) }
        return edits.isEmpty
            ? .pass : .edit(edits.sorted { $0.span.lowerBound < $1.span.lowerBound }, at: data.lowerBound)
    }

    private func apply(_ edits: [Edit], at offset: Int, to event: ByteBuffer, into output: inout ByteBuffer) {
        var done = 0
        for edit in edits {
            copy(done..<offset + edit.span.lowerBound, of: event, into: &output)
            if case .name = edit { output.writeJSONString(model ?? "") }
            done = offset + edit.span.upperBound
        }
        copy(done..<event.readableBytes, of: event, into: &output)
    }

    private func copy(_ span: Range<Int>, of event: ByteBuffer, into output: inout ByteBuffer) {
        if let slice = event.getSlice(at: event.readerIndex + span.lowerBound, length: span.count) {
            output.writeImmutableBuffer(slice)
        }
    }

    private enum Content {
        /// Where the value of the only `data` line stands, trimmed.
        case data(Range<Int>)
        /// Nothing but comments, which keep a connection alive.
        case comment
        case nothing
        /// An `error` field, by which some runtimes report instead of inside the data.
        case error
        /// More than one `data` line: no model's event, and not looked through here.
        case severalLines
    }

    private static func content(of event: UnsafeRawBufferPointer) -> Content {
        var found: Range<Int>?
        var hasOther = false
        var start = 0
        while start < event.count {
            let end = newline(in: event, from: start) ?? event.count
            let line = event[start..<end]
            if line.starts(with: "data:".utf8) {
                if found != nil { return .severalLines }
                found = trimmed(start + 5..<end, of: event)
            } else if line.starts(with: "error:".utf8) {
                return .error
            } else if let first = line.first, first != UInt8(ascii: ":"), first != 0x0D {
                hasOther = true
            }
            start = end + 1
        }
        return found.map { .data($0) } ?? (hasOther ? .nothing : .comment)
    }

    private static func trimmed(_ span: Range<Int>, of event: UnsafeRawBufferPointer) -> Range<Int> {
        var (from, to) = (span.lowerBound, span.upperBound)
        while from < to, event[from] == 0x20 { from += 1 }
        while to > from, event[to - 1] == 0x0D || event[to - 1] == 0x20 { to -= 1 }
        return from..<to
    }
}
