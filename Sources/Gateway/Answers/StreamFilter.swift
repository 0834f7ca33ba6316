package import Inference
package import NIOCore

/// Passes a stream of server-sent events on, event by event, and watches it.
///
/// - Only whole events go out, so that a stream that breaks can be ended by an event of ours.
/// - The usage event is kept back from a client that did not ask for it.
/// - `[DONE]` is held: whoever ends the answer records its usage first and sends the end then.
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
    private var splitter = EventSplitter()
    private var hasBegun = false
    package private(set) var tally = AnswerTally()

    package var usage: Usage? { tally.usage }
    package var contentEvents: Int { tally.contentEvents }
    package var contentBytes: Int { tally.contentBytes }
    package var upstreamID: String? { tally.upstreamID }
    package var isComplete: Bool { tally.isComplete }
    package var likelyOutput: Int { tally.likelyOutput }

    package init(wantsUsage: Bool, model: String?) {
        self.wantsUsage = wantsUsage
        self.model = model
    }

    /// Takes what a whole answer, one that is no stream, says of itself.
    /// - Parameter bytes: what the answer was read from.
    package mutating func note(_ answer: AnswerFacts, of bytes: UnsafeRawBufferPointer) {
        if let usage = answer.usage { tally.usage = usage }
        if let cost = answer.toldCost { tally.toldCost = cost }
        if answer.hasContent { tally.contentEvents += 1 }
        tally.contentBytes += answer.contentBytes
        if let span = answer.idSpan { tally.note(id: bytes[span]) }
    }

    /// Takes a whole answer, one that is no stream.
    /// - Returns: the client's: the same with the model's name that it is to see.
    package mutating func whole(_ bytes: ByteBuffer, allocator: ByteBufferAllocator) throws(Fault) -> ByteBuffer {
        let answer = bytes.withUnsafeReadableBytes { bytes in
            let answer = AnswerReader.read(bytes)
            if let answer, !answer.hasError { note(answer, of: bytes) }
            return answer
        }
        guard let answer else { throw .notJSON }
        guard !answer.hasError else { throw .upstreamError }
        guard let model, let span = answer.modelSpan else { return bytes }
        return bytes.replacing(span, by: model, allocator: allocator)
    }

    /// Takes bytes as they came, and appends to `output` what may go to the client now.
    package mutating func feed(_ bytes: ByteBuffer, into output: inout ByteBuffer) throws(Fault) {
        var bytes = splitter.take(bytes)
        while let event = EventSplitter.next(in: &bytes) {
            guard !isComplete else { continue }
            try pass(event, into: &output)
        }
        try splitter.hold(bytes)
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
        case .done: tally.isComplete = true
        case .edit(let edits, let offset): apply(edits, at: offset, to: event, into: &output)
        case .fault(let fault): throw fault
        }
    }

    private mutating func judge(_ event: UnsafeRawBufferPointer) -> Verdict {
        let data: Range<Int>
        switch EventContent(of: event) {
        case .data(let span): data = span
        // Before the first event nothing goes out: it may be an error, for which another upstream stands in.
        case .comment: return hasBegun ? .pass : .drop
        case .nothing: return .drop
        case .error: return .fault(.upstreamError)
        case .severalLines: return .fault(.notJSON)
        }
        let payload = UnsafeRawBufferPointer(rebasing: event[data])
        if payload.elementsEqual("[DONE]".utf8) { return .done }
        guard let facts = AnswerReader.read(payload) else { return .fault(.notJSON) }
        if facts.hasError { return .fault(.upstreamError) }
        note(facts, of: payload)
        hasBegun = true
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
}

extension ByteBuffer {
    /// The same bytes with a JSON string in the place of some of them.
    func replacing(_ span: Range<Int>, by text: String, allocator: ByteBufferAllocator) -> ByteBuffer {
        var result = allocator.buffer(capacity: readableBytes + text.utf8.count + 2)
        result.writeBytes(readableBytesView.prefix(span.lowerBound))
        result.writeJSONString(text)
        result.writeBytes(readableBytesView.dropFirst(span.upperBound))
        return result
    }
}
