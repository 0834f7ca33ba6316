import Foundation
import Kernel
import Logging
import Telemetry
import Testing

@Suite struct LogTests {
    private let now = Instant(microseconds: 1_795_000_000_125_000)

    private func json(_ message: String, _ metadata: Logger.Metadata) throws -> [String: Any] {
        let line = LogFormat.json.line(at: now, level: .info, label: "volery", message: message, metadata: metadata)
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
            at: now, level: .error, label: "l", message: "a\u{1B}[2Jb\nc", metadata: metadata)
        let line = try #require(String(validating: bytes, as: UTF8.self))
        #expect(line == #"11:06:40 error a [2Jb c list=["x\n"] plain= y"#)
        #expect(!line.contains("\u{1B}"))
        #expect(!line.contains("\n"))
    }

    @Test("a writer whose reader stalls drops lines and goes on")
    func stalledReader() throws {
        // Never closed: the writer's thread stays in its write, and a number given back would be somebody else's file.
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let writer = LogWriter(descriptor: ends[1])
        let line = [UInt8](repeating: UInt8(ascii: "z"), count: 1000)
        for _ in 0..<20_000 { writer.write(line) }
        #expect(writer.linesDropped > 0)
    }

    @Test("lines arrive whole and in order")
    func order() throws {
        let pipe = Pipe()
        let writer = LogWriter(descriptor: pipe.fileHandleForWriting.fileDescriptor)
        for index in 0..<100 { writer.write(Array("line \(index)".utf8)) }
        writer.flush()
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: try #require(try pipe.fileHandleForReading.readToEnd()), as: UTF8.self)
        #expect(text.split(separator: "\n").map(String.init) == (0..<100).map { "line \($0)" })
    }
}
