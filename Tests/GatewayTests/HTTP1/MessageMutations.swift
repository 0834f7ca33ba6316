import Foundation
import NIOCore

/// Messages as a seed makes them: right ones, and ones with something wrong that smugglers and broken servers write.
struct MessageMutations {
    private var random: SplitMix

    init(seed: UInt64) { random = SplitMix(state: seed &* 0x9E37_79B9_7F4A_7C15 &+ 1) }

    static let isLong = ProcessInfo.processInfo.environment["VOLERY_TEST_LONG"] == "1"

    mutating func number(below bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
    mutating func pick<T>(_ items: [T]) -> T { items[number(below: items.count)] }

    /// Up to three answers in a row, in two of three cases with some bytes changed.
    mutating func answers() -> ByteBuffer {
        var text = ""
        for _ in 0...number(below: 3) { text += answer() }
        return mutated(text)
    }

    /// The same of requests.
    mutating func requests() -> ByteBuffer {
        var text = ""
        for _ in 0...number(below: 3) { text += request() }
        return mutated(text)
    }

    /// Ascending.
    mutating func splits(of bytes: ByteBuffer) -> [Int] {
        (0..<number(below: 6)).map { _ in number(below: bytes.readableBytes + 1) }.sorted()
    }

    private static let extras = [
        "x-a: b", "Connection: close", "connection: keep-alive", "connection: x, close", "X-Empty:", "a:b",
        "content-type: application/json", "x-request-id: r", "expect: 100-continue", "Host: other",
        "content-length: 3", "transfer-encoding: chunked", "transfer-encoding: gzip", "upgrade: h2c",
        "Content-Length: 03", "x-long: \(String(repeating: "l", count: 300))", "x-high: \u{e9}", " folded", "x : y",
    ]

    private mutating func answer() -> String {
        let start = pick([
            "HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 503 Not now", "HTTP/1.0 200 OK", "HTTP/1.1 204 None",
            "HTTP/1.1 304 Same", "HTTP/1.1 404 ", "HTTP/1.1 500", "HTTP/1.1 100 Continue", "HTTP/1.1 103 Early",
        ])
        return start + "\r\n" + rest(mayHaveNoLength: true)
    }

    private mutating func request() -> String {
        let start = pick([
            "POST /v1/chat/completions HTTP/1.1", "GET /v1/models?x=y HTTP/1.1", "PUT /a HTTP/1.0",
            "DELETE /a HTTP/1.1",
            "OPTIONS * HTTP/1.1", "GET http://localhost/ HTTP/1.1", "HEAD / HTTP/1.1",
        ])
        return start + "\r\n" + (number(below: 8) > 0 ? "host: localhost\r\n" : "") + rest(mayHaveNoLength: true)
    }

    private mutating func rest(mayHaveNoLength: Bool) -> String {
        var fields = (0..<number(below: 4)).map { _ in number(below: 4) == 0 ? pick(Self.extras) : "x-a: b" }
        let body = String(repeating: "b", count: pick([0, 1, 2, 17, 300]))
        var tail = ""
        switch number(below: 5) {
        case 0, 1:
            fields.append("content-length: \(body.utf8.count)")
            tail = body
        case 2, 3:
            fields.append(pick(["transfer-encoding: chunked", "Transfer-Encoding:  Chunked "]))
            tail = chunks(body)
        default: tail = number(below: 3) == 0 ? body : ""
        }
        return fields.map { $0 + "\r\n" }.joined() + "\r\n" + tail
    }

    private mutating func chunks(_ body: String) -> String {
        var (rest, text) = (body[...], "")
        while !rest.isEmpty {
            let piece = rest.prefix(1 + number(below: 40))
            rest = rest.dropFirst(piece.count)
            let size = String(piece.count, radix: 16, uppercase: number(below: 2) == 0)
            text += size + pick(["", "", ";a", ";a=b"]) + "\r\n" + piece + "\r\n"
        }
        return text + "0\r\n" + pick(["", "", "x-trailer: t\r\n"]) + "\r\n"
    }

    private mutating func mutated(_ text: String) -> ByteBuffer {
        var bytes = Array(text.utf8)
        if number(below: 3) > 0 {
            for _ in 0...number(below: 3) { mutate(&bytes) }
        }
        return ByteBuffer(bytes: bytes)
    }

    private static let alphabet = Array("\r\n\r\n :;,0189aAfFgGxX\t\u{0}-+_\u{7f}\"=HTP/.\u{e9}".utf8)

    private mutating func mutate(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        let place = number(below: bytes.count)
        switch number(below: 5) {
        case 0: bytes[place] = pick(Self.alphabet)
        case 1: bytes.insert(pick(Self.alphabet), at: place)
        case 2: bytes.remove(at: place)
        case 3: bytes.removeSubrange(place..<min(bytes.count, place + number(below: 20)))
        default:
            let end = min(bytes.count, place + number(below: 30))
            bytes.insert(contentsOf: bytes[place..<end], at: number(below: bytes.count))
        }
    }
}
