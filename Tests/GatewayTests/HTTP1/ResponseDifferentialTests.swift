import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import Gateway

@Suite("Answers of upstreams, read beside NIO's decoder")
struct ResponseDifferentialTests {
    private static let cases: UInt64 = MessageMutations.isLong ? 1_000_000 : 4000

    @Test("what both read, both understand alike, and where only one refuses it is known why")
    func besideNIO() throws {
        var (agreed, refused) = (0, 0)
        for seed in 0..<Self.cases {
            var mutations = MessageMutations(seed: seed)
            let bytes = mutations.answers()
            let own = ReadAnswers(bytes, splits: mutations.splits(of: bytes), ends: true)
            let other = DecodedAnswers(bytes)
            // NIO's decoder takes no tab for a blank at a value's end, and so knows no length and no `chunked` there.
            let hasTab = bytes.readableBytesView.contains(UInt8(ascii: "\t"))
            for (own, other) in zip(own.answers, other.answers) where !hasTab {
                try #require(own.head.status == other.status, "seed \(seed)")
                if own.isWhole, other.isWhole { try #require(own.body == other.body, "seed \(seed)") }
            }
            switch (own.fault, other.isFaulty) {
            case (nil, false):
                try #require(own.isClosed || own.answers.count == other.answers.count, "seed \(seed)")
                agreed += 1
            case (nil, true):
                // A line feed alone; a line that is refused when it is whole; what follows a last answer; a chunk's
                // extension, as long as it is text; `close` in an answer before the answer, which has no say in it.
                let isKnown =
                    own.isWithin || own.isClosed || Self.hasBareLineFeed(bytes)
                    || Self.hasExtension(bytes) || Self.hasInformational(bytes) || hasTab
                try #require(isKnown, "seed \(seed): only NIO's decoder refuses it")
            case (let fault?, false):
                // Stricter on purpose: in what would have to be undone, in a chunk's size and extension, in empty lines
                // before an answer, and where another protocol begins. And a line is refused at its end, where NIO's
                // decoder looks at what follows first.
                let isKnown =
                    hasTab || [.transferEncoding, .startLine, .chunk, .informational].contains(fault)
                    || other.answers.count { $0.isWhole } <= own.answers.count { $0.isWhole }
                try #require(isKnown, "seed \(seed): only NIO's decoder takes it")
            case (.some, true): refused += 1
            }
        }
        // The mutations are neither all harmless nor all hopeless.
        #expect(agreed > Self.cases / 5)
        #expect(refused > Self.cases / 20)
    }

    private static func hasExtension(_ bytes: ByteBuffer) -> Bool {
        bytes.readableBytesView.contains(UInt8(ascii: ";"))
    }

    private static func hasInformational(_ bytes: ByteBuffer) -> Bool {
        String(buffer: bytes).contains("HTTP/1.1 1")
    }

    private static func hasBareLineFeed(_ bytes: ByteBuffer) -> Bool {
        let bytes = bytes.readableBytesView
        return zip(bytes.dropFirst(), bytes).contains { $0 == UInt8(ascii: "\n") && $1 != UInt8(ascii: "\r") }
    }
}

/// What NIO's decoder makes of the same bytes, when the connection ends after them.
struct DecodedAnswers: Equatable {
    struct Answer: Equatable {
        let status: Int
        var body = ByteBuffer()
        var isWhole = false

        init(status: Int) { self.status = status }

        init(_ own: ReadAnswers.Answer) {
            status = own.head.status
            body = own.body
            isWhole = own.isWhole
        }
    }

    private(set) var answers: [Answer] = []
    private(set) var isFaulty = false

    init(_ bytes: ByteBuffer) {
        let decoder = ByteToMessageHandler(HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes))
        let channel = EmbeddedChannel(handlers: [HTTPRequestEncoder(), decoder])
        do {
            // An answer that nobody asked for is none.
            for _ in 0..<8 {
                let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")
                try channel.writeOutbound(HTTPClientRequestPart.head(head))
                try channel.writeOutbound(HTTPClientRequestPart.end(nil))
            }
            try channel.writeInbound(bytes)
            channel.pipeline.fireChannelInactive()
            try channel.throwIfErrorCaught()
        } catch {
            isFaulty = error as? HTTPParserError != .invalidEOFState
        }
        while let part = try? channel.readInbound(as: HTTPClientResponsePart.self) {
            switch part {
            case .head(let head): answers.append(Answer(status: Int(head.status.code)))
            case .body(let bytes): answers[answers.count - 1].body.writeImmutableBuffer(bytes)
            case .end: answers[answers.count - 1].isWhole = true
            }
        }
    }
}
