import Foundation
import Gateway
import Inference
import Kernel
import NIOCore
import Testing

/// How often each property is tried: 1 in every run, more in a build with optimization.
private let factor = ProcessInfo.processInfo.environment["VOLERY_CASES_FACTOR"].flatMap { Int($0) } ?? 1

@Suite struct DialectPropertyTests {
    private static func feed(_ pieces: some Sequence<ArraySlice<UInt8>>, to sample: DialectSample) throws -> [UInt8] {
        var stream = sample.stream()
        var output = ByteBuffer()
        for piece in pieces { try stream.feed(ByteBuffer(bytes: piece), into: &output) }
        output.writeImmutableBuffer(stream.terminal)
        output.writeString("\(stream.usage.debugDescription) \(stream.contentEvents) \(stream.contentBytes)")
        return Array(output.readableBytesView)
    }

    /// 8 ways, 50 each; a factor of 500 makes 200,000 cases.
    @Test("any way of cutting a stream gives the same bytes and the same counts", arguments: DialectSample.allCases)
    func cuts(sample: DialectSample) throws {
        let seed: UInt64 = 6
        var generator = SplitMix(state: seed)
        let bytes = Array(sample.text.utf8)
        let whole = try Self.feed([bytes[...]], to: sample)
        var different = 0
        for _ in 0..<50 * factor {
            // A few cuts near each other as often as anywhere: what matters lies within some bytes.
            let start = generator.below(bytes.count + 1)
            let reach = generator.below(2) == 0 ? 8 : bytes.count
            let cuts = (0..<3).map { _ in min(bytes.count, start + generator.below(reach + 1)) }
            var done = 0
            var pieces: [ArraySlice<UInt8>] = []
            for cut in (cuts + [start, bytes.count]).sorted() {
                pieces.append(bytes[done..<cut])
                done = cut
            }
            if try Self.feed(pieces, to: sample) != whole { different += 1 }
        }
        #expect(different == 0, "seed \(seed)")
    }

    static let seeds: [UInt64] = [1, 2, 3, 4]

    private static func mutate(_ bytes: inout [UInt8], _ generator: inout SplitMix) {
        let alphabet = Array("{}[]\",:\\ntu0129.-e \r\n".utf8) + [0x00, 0x80, 0xC3, 0xFF]
        for _ in 0..<1 + generator.below(3) where !bytes.isEmpty {
            let place = generator.below(bytes.count)
            let byte = alphabet[generator.below(alphabet.count)]
            switch generator.below(4) {
            case 0: bytes[place] = byte
            case 1: bytes.insert(byte, at: place)
            case 2: bytes.remove(at: place)
            default:
                let end = min(bytes.count, place + 1 + generator.below(12))
                bytes.replaceSubrange(place..<end, with: bytes[place..<end] + bytes[place..<end])
            }
        }
    }

    /// 4 seeds, 8 ways, 32 each; a factor of 500 makes 512,000 cases.
    @Test("a mutated stream is passed on as valid events, or is a fault; it never stops the process", arguments: seeds)
    func mutatedStreams(seed: UInt64) throws {
        var generator = SplitMix(state: seed)
        var broken = 0
        for sample in DialectSample.allCases {
            let events = sample.text.replacing("\r\n", with: "\n").split(separator: "\n\n").map { $0 + "\n\n" }
            let first = try #require(
                events.first { $0.contains("message_start") || $0.contains("role") } ?? events.first)
            for _ in 0..<32 * factor {
                var bytes = Array(events[generator.below(events.count)].utf8)
                Self.mutate(&bytes, &generator)
                var stream = sample.stream()
                var output = ByteBuffer()
                do throws(AnswerStream.Fault) {
                    try stream.feed(ByteBuffer(string: String(first)), into: &output)
                    try stream.feed(ByteBuffer(bytes: bytes), into: &output)
                } catch {
                    continue
                }
                output.writeImmutableBuffer(stream.terminal)
                if !Self.isStream(output) { broken += 1 }
            }
        }
        #expect(broken == 0, "seed \(seed)")
    }

    /// Whether every `data` line is JSON, and the last event is whole.
    private static func isStream(_ output: ByteBuffer) -> Bool {
        let view = output.readableBytesView
        guard view.isEmpty || view.suffix(1).elementsEqual("\n".utf8) else { return false }
        return view.split(separator: 0x0A).allSatisfy { line in
            guard line.starts(with: "data:".utf8) else { return true }
            let data = Array(
                line.dropFirst(5).drop { $0 == 0x20 }.reversed().drop { $0 == 0x0D || $0 == 0x20 }.reversed())
            return data.elementsEqual("[DONE]".utf8) || isJSON(data)
        }
    }

    private static func isJSON(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { pointer in
            var scanner = JSONScanner(pointer)
            do throws(JSONFault) {
                try scanner.skipValue()
                try scanner.end()
                return true
            } catch {
                return false
            }
        }
    }

    static let requests: [(Inference.Operation, String)] =
        ChatToMessagesTests.turns.map { (.chat, #"{"model":"m","messages":[\#($0.0)]}"#) }
        + ChatToMessagesTests.members.map {
            (
                .chat,
                #"{"model":"m","messages":[{"role":"user","#
                    + #""content":"x"}]\#($0.0)}"#
            )
        }
        + MessagesToChatTests.turns.map { (.messages, #"{"model":"m","max_tokens":9,\#($0.0)}"#) }
        + MessagesToChatTests.members.map {
            (.messages, #"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]\#($0.0)}"#)
        }

    /// 4 seeds, 250 each; a factor of 500 makes 500,000 cases. Those that stay valid go on to the translation.
    @Test("a mutated request is translated to valid JSON, or refused with its reason", arguments: seeds)
    func mutatedRequests(seed: UInt64) throws {
        var generator = SplitMix(state: seed)
        var (broken, translated) = (0, 0)
        for _ in 0..<250 * factor {
            let (operation, text) = Self.requests[generator.below(Self.requests.count)]
            var bytes = Array(text.utf8)
            Self.mutate(&bytes, &generator)
            let body = ByteBuffer(bytes: bytes)
            do throws(Problem) {
                _ = try RequestReader.read(body, for: operation)
                let result = try RequestTranslation.translate(
                    body, from: operation, terms: DialectFixture.terms, allocator: ByteBufferAllocator())
                translated += 1
                if !Self.isJSON(Array(result.body.readableBytesView)) { broken += 1 }
            } catch {
                if error.message.isEmpty { broken += 1 }
            }
        }
        #expect(broken == 0, "seed \(seed)")
        #expect(translated > 2 * factor)
    }
}
