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
    /// The name that the client sees; empty leaves the upstream's.
    private let name: String
    /// The same as a JSON string, for the events of a stream: made when the first one needs it.
    private var quotedName: [UInt8] = []
    private var splitter = EventSplitter()
    private var hasBegun = false
    package private(set) var tally = AnswerTally()

    package var usage: Usage? { tally.usage }
    package var contentEvents: Int { tally.contentEvents }
    package var contentBytes: Int { tally.contentBytes }
    package var upstreamID: String? { tally.upstreamID }
    package var isComplete: Bool { tally.isComplete }
    package var likelyOutput: Int { tally.likelyOutput }

    /// - Parameter model: the name that the client sees; nil leaves the upstream's.
    package init(wantsUsage: Bool, model: String?) {
        self.wantsUsage = wantsUsage
        name = model ?? ""
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
        guard !name.isEmpty, let span = answer.modelSpan else { return bytes }
        return bytes.replacing(span, by: name, allocator: allocator)
    }

    /// Takes bytes as they came, and appends to `output` what may go to the client now.
    package mutating func feed(_ bytes: ByteBuffer, into output: inout ByteBuffer) throws(Fault) {
        var bytes = splitter.take(bytes)
        let read = bytes.withUnsafeReadableBytes { pointer in
            Result(catching: { () throws(Fault) in try pass(eventsOf: pointer, into: &output) })
        }
        bytes.moveReaderIndex(forwardBy: try read.get())
        try splitter.hold(bytes)
    }

    /// - Returns: the length of all events that are whole.
    private mutating func pass(
        eventsOf bytes: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(Fault) -> Int {
        var done = 0
        while let length = EventSplitter.length(in: UnsafeRawBufferPointer(rebasing: bytes[done...])) {
            let event = UnsafeRawBufferPointer(rebasing: bytes[done..<done + length])
            done += length
            if !isComplete { try pass(event, into: &output) }
        }
        return done
    }

    /// What is changed in an event or answer: the name's value, and a member that is left out.
    private struct Edits {
        var name: Range<Int>?
        var removed: Range<Int>?

        /// By their places.
        var inOrder: (Range<Int>?, Range<Int>?) {
            guard let name, let removed, removed.lowerBound < name.lowerBound else { return (name, removed) }
            return (removed, name)
        }

        func moved(by offset: Int) -> Edits {
            func moved(_ span: Range<Int>) -> Range<Int> { span.lowerBound + offset..<span.upperBound + offset }
            return Edits(name: name.map(moved), removed: removed.map(moved))
        }
    }

    private enum Verdict {
        case pass, drop, done
        /// To be changed, by its own bytes' places.
        case edit(Edits)
        case fault(Fault)
    }

    private mutating func pass(_ event: UnsafeRawBufferPointer, into output: inout ByteBuffer) throws(Fault) {
        switch judge(event) {
        case .pass: output.writeBytes(event)
        case .drop: break
        case .done: tally.isComplete = true
        case .edit(let edits): apply(edits, to: event, into: &output)
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
        if payload.count == 6, payload.begins(with: "[DONE]") { return .done }
        guard let facts = AnswerReader.read(payload) else { return .fault(.notJSON) }
        if facts.hasError { return .fault(.upstreamError) }
        note(facts, of: payload)
        hasBegun = true
        if facts.usage != nil, facts.hasEmptyChoices, !wantsUsage { return .drop }
        // Completions carry their usage in the last event with content, which must pass without it.
        let edits = Edits(name: name.isEmpty ? nil : facts.modelSpan, removed: wantsUsage ? nil : facts.usageMember)
        return edits.name == nil && edits.removed == nil ? .pass : .edit(edits.moved(by: data.lowerBound))
    }

    private mutating func apply(_ edits: Edits, to bytes: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        if quotedName.isEmpty, edits.name != nil { quotedName = JSONString.quoted(name) }
        let quotedName = quotedName
        var done = 0
        func put(_ edit: Range<Int>?) {
            guard let edit else { return }
            output.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[done..<edit.lowerBound]))
            if edit == edits.name { output.writeBytes(quotedName) }
            done = edit.upperBound
        }
        let (first, second) = edits.inOrder
        put(first)
        put(second)
        output.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[done...]))
    }
}

extension ByteBuffer {
    /// The same bytes with a JSON string in the place of some of them.
    func replacing(_ span: Range<Int>, by text: String, allocator: ByteBufferAllocator) -> ByteBuffer {
        var result = allocator.buffer(capacity: readableBytes + text.utf8.count + 2)
        withUnsafeReadableBytes { bytes in
            result.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[..<span.lowerBound]))
            result.writeJSONString(text)
            result.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[span.upperBound...]))
        }
        return result
    }
}
