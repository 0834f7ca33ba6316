import NIOCore

/// Reads a stream's events one by one, each already known to be JSON, and writes what the client gets for it.
protocol EventReader: Sendable {
    /// What ends the client's stream; written by whoever records the usage first.
    var terminal: ByteBuffer { get }

    /// - Returns: what is wrong with the event, if anything.
    mutating func read(
        _ node: JSONNode, of event: StreamEvent, tally: inout AnswerTally, into output: inout ByteBuffer
    ) -> StreamFilter.Fault?

    /// `[DONE]` came, which is the end in OpenAI's chat, and means nothing elsewhere.
    mutating func readDone(tally: inout AnswerTally, into output: inout ByteBuffer)

    /// - Returns: the client's whole answer for an upstream's, or what is wrong with that.
    mutating func whole(
        _ node: JSONNode, of bytes: ByteBuffer, tally: inout AnswerTally, allocator: ByteBufferAllocator
    ) -> Result<ByteBuffer, StreamFilter.Fault>
}

/// An event as it came.
struct StreamEvent {
    let bytes: ByteBuffer
    /// Where its data stands.
    let data: Range<Int>

    /// Appends the event with `text` in the place of a part of its data.
    func write(replacing span: Range<Int>, by text: String, to output: inout ByteBuffer) {
        let (start, end) = (data.lowerBound + span.lowerBound, data.lowerBound + span.upperBound)
        output.writeBytes(bytes.readableBytesView.prefix(start))
        output.writeJSONString(text)
        output.writeBytes(bytes.readableBytesView.dropFirst(end))
    }
}

/// A stream of events in one dialect that becomes a stream in a client's; pure, and the same for every way in which
/// the bytes are cut.
///
/// Only whole events are written, so that a stream that breaks can be ended by an event of ours.
struct EventStream<Reader: EventReader>: Sendable {
    private var splitter = EventSplitter()
    private var tape = JSONTape()
    private var reader: Reader
    private(set) var tally = AnswerTally()
    private var hasBegun = false

    init(_ reader: Reader) { self.reader = reader }

    var terminal: ByteBuffer { reader.terminal }

    mutating func feed(_ bytes: ByteBuffer, into output: inout ByteBuffer) throws(StreamFilter.Fault) {
        var bytes = splitter.take(bytes)
        // Out of `self`, since its text is looked through while the rest of `self` changes.
        var tape = JSONTape()
        swap(&tape, &self.tape)
        defer { swap(&tape, &self.tape) }
        while let event = EventSplitter.next(in: &bytes) {
            guard !tally.isComplete else { continue }
            if let fault = pass(event, by: &tape, into: &output) { throw fault }
        }
        try splitter.hold(bytes)
    }

    private mutating func pass(
        _ event: ByteBuffer, by tape: inout JSONTape, into output: inout ByteBuffer
    ) -> StreamFilter.Fault? {
        event.withUnsafeReadableBytes { bytes in
            switch EventContent(of: bytes) {
            case .data(let span):
                let payload = UnsafeRawBufferPointer(rebasing: bytes[span])
                if payload.elementsEqual("[DONE]".utf8) {
                    reader.readDone(tally: &tally, into: &output)
                    return nil
                }
                let stream = StreamEvent(bytes: event, data: span)
                let fault = tape.read(payload) { node in
                    node.kind == .object
                        ? reader.read(node, of: stream, tally: &tally, into: &output) : .notJSON
                }
                hasBegun = true
                return fault ?? .notJSON
            // Before the first event nothing goes out: it may be an error, for which another upstream stands in.
            case .comment where hasBegun: output.writeBytes(bytes)
            case .comment: break
            case .nothing: break
            case .error: return .upstreamError
            case .severalLines: return .notJSON
            }
            return nil
        }
    }

    mutating func whole(
        _ bytes: ByteBuffer, allocator: ByteBufferAllocator
    ) throws(StreamFilter.Fault) -> ByteBuffer {
        var tape = JSONTape()
        let answer: Result<ByteBuffer, StreamFilter.Fault> = bytes.withUnsafeReadableBytes { pointer in
            tape.read(pointer) { node in
                guard node.kind == .object else { return .failure(.notJSON) }
                if node.reportsError { return .failure(.upstreamError) }
                return reader.whole(node, of: bytes, tally: &tally, allocator: allocator)
            } ?? .failure(.notJSON)
        }
        return try answer.get()
    }
}

extension JSONNode {
    /// Whether an upstream's answer or event is an error, in whichever dialect.
    var reportsError: Bool {
        if let error = self["error"], !error.isNull { return true }
        return string("type").map { $0 == "error" } ?? false
    }
}
