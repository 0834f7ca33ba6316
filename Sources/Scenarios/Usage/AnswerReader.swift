/// What a client has read of the answers on its connection, one after the other.
struct AnswerReader {
    enum Step {
        /// An answer begins.
        case head(status: Int, request: String)
        /// A stream's last event is there, whether the stream is closed or not; told once.
        case done(contents: Int)
        /// An answer ended; without its last event a stream has ended in an error.
        case end(contents: Int, isWhole: Bool)
    }

    private static let done = Array("data: [DONE]\n\n".utf8)
    private static let content = Array(#""content":"#.utf8)

    private var text = HTTPText()
    private var head: HTTPText.Head?
    private var body: [UInt8] = []
    private var hasToldDone = false

    mutating func add(_ bytes: some Collection<UInt8>) { text.add(bytes) }

    /// - Returns: nil when more bytes are needed.
    mutating func next() -> Step? {
        guard let head else {
            head = text.takeHead()
            return head.map { .head(status: $0.status, request: $0.fields["x-request-id"] ?? "") }
        }
        switch head.body {
        case .length(let length):
            guard let bytes = text.take(length) else { return nil }
            let contents = bytes.contains(UInt8(ascii: "w")) ? 1 : 0
            endAnswer()
            return .end(contents: contents, isWhole: true)
        case .chunked: return nextOfStream()
        }
    }

    private mutating func nextOfStream() -> Step? {
        while let chunk = text.takeChunk() {
            body.append(contentsOf: chunk)
            guard chunk.isEmpty else { continue }
            let (contents, isWhole) = (contents, hasDone)
            endAnswer()
            return .end(contents: contents, isWhole: isWhole)
        }
        guard hasDone, !hasToldDone else { return nil }
        hasToldDone = true
        return .done(contents: contents)
    }

    private mutating func endAnswer() {
        head = nil
        body = []
        hasToldDone = false
    }

    private var hasDone: Bool { body.suffix(Self.done.count).elementsEqual(Self.done) }

    /// Events with content in the stream so far.
    private var contents: Int {
        let wanted = Self.content
        var found = 0
        var index = 0
        while index + wanted.count <= body.count {
            if body[index] == wanted[0], body[index..<index + wanted.count].elementsEqual(wanted) {
                found += 1
                index += wanted.count
            } else {
                index += 1
            }
        }
        return found
    }
}
