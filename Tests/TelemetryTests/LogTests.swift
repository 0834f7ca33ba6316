import Foundation
import Kernel
import Logging
import Telemetry
import Testing

@Suite struct LogTests {
    private let now = Instant(microseconds: 1_795_000_000_125_000)

    private func json(_ message: String, _ metadata: Logger.Metadata) throws -> [String: Any] {
        let whole = LogFormat.json.line(
            at: now, level: .info, label: "volery", message: message, metadata: metadata
        ).end { Array($0) }
        let line = try #require(whole.last == UInt8(ascii: "\n") ? whole.dropLast() : nil)
        #expect(!line.contains(UInt8(ascii: "\n")))
        return try #require(JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
    }

    @Test("a line is one JSON object, whatever stands in it")
    func escaping() throws {
        let nasty = "quote \" slash \\ line\nbreak \u{01} سلام 😀"
        let object = try json(
            nasty, ["request_id": "req_1", "nested": ["a": ["b", "c\n"]], "count": .stringConvertible(7)])
        #expect(object["message"] as? String == nasty)
        #expect(object["request_id"] as? String == "req_1")
        #expect(object["count"] as? Int == 7)
        #expect((object["nested"] as? [String: [String]])?["a"] == ["b", "c\n"])
        #expect((object["time"] as? String)?.hasSuffix("Z") == true)
    }

    @Test("a secret is redacted wherever it stands")
    func secrets() throws {
        let secret = Secret("vk_hidden")
        let metadata: Logger.Metadata = ["key": "\(secret)", "other": .stringConvertible("\(secret)")]
        let object = try json("using \(secret)", metadata)
        #expect(!"\(object)".contains("hidden"))
        #expect(object["key"] as? String == "<redacted>")
    }

    @Test("a value is cut at its bound, and a terminal's line holds no control characters")
    func bounds() throws {
        let object = try json("x", ["long": "\(String(repeating: "y", count: 100_000))"])
        #expect((object["long"] as? String ?? "").count < 5000)
        let metadata: Logger.Metadata = ["plain": "\u{9B}y", "list": ["x\n"]]
        let bytes = LogFormat.text.line(
            at: now, level: .error, label: "l", message: "a\u{1B}[2Jb\nc", metadata: metadata
        ).end { Array($0) }
        let line = try #require(String(validating: bytes, as: UTF8.self))
        #expect(line == #"11:06:40 error a [2Jb c list=["x\n"] plain= y"# + "\n")
        #expect(!line.contains("\u{1B}"))
    }

    @Test("names and values that are known stand as those that are not")
    func known() throws {
        let (id, price) = (ID<RequestKind>(ULID(high: 5, low: .max)), Money(units: -1_250_000_001, .usd))
        for format in LogFormat.allCases {
            var own = line(format, "request ", "ended")
            var other = line(format, "request ended")
            own.add("count", -17)
            own.add("price", price)
            own.add("request_id", id)
            own.add("model", "a\"b")
            other.add(named: "count", -17)
            other.add(named: "price", price.description)
            other.add(named: "request_id", id.description)
            other.add(named: "model", "a\"b")
            let (bytes, others) = (own.end { Array($0) }, other.end { Array($0) })
            #expect(bytes == others)
            let known = LogLine(format, at: now, level: "info", label: "l", message: "request ", plain: "ended")
                .end { Array($0) }
            let plain = line(format, "request ended").end { Array($0) }
            #expect(known == plain)
        }
    }

    private func line(_ format: LogFormat, _ message: String, _ detail: String = "") -> LogLine {
        LogLine(format, at: now, level: "info", label: "l", message: message, detail: detail)
    }

    @Test("a writer whose reader stalls drops lines and goes on")
    func stalledReader() throws {
        // Never closed: the writer's thread stays in its write, and a number given back would be somebody else's file.
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let writer = LogWriter(descriptor: ends[1])
        let message = String(repeating: "z", count: 1000)
        for _ in 0..<20_000 { writer.write(line(.json, message)) }
        #expect(writer.linesDropped > 0)
    }

    @Test("lines arrive whole and in order, also where they come in several rounds")
    func order() throws {
        let pipe = Pipe()
        let writer = LogWriter(descriptor: pipe.fileHandleForWriting.fileDescriptor)
        for index in 0..<100 {
            writer.write(line(.text, "line \(index)"))
            if index % 30 == 0 { writer.flush() }
        }
        writer.flush()
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: try #require(try pipe.fileHandleForReading.readToEnd()), as: UTF8.self)
        #expect(text.split(separator: "\n").map(String.init) == (0..<100).map { "11:06:40 info line \($0)" })
    }
}
