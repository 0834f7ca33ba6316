import Foundation
import Kernel
import Testing

@testable import volery

@Suite("secrets from outside")
struct SecretInputTests {
    private let terminal = Terminal(isDataTerminal: false, isTalkTerminal: false, width: 80, environment: [:])

    private func read(_ input: SecretInput, environment: [String: String] = [:]) throws -> String {
        try input.read("key", environment: environment, terminal: terminal).reveal()
    }

    private func withFile(_ bytes: [UInt8], _ body: (String) throws -> Void) throws {
        let path = NSTemporaryDirectory() + "secret-input-\(ProcessInfo.processInfo.globallyUniqueString)"
        try Data(bytes).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test("the line break at a file's end is no part of the secret", arguments: ["", "\n", "\r\n", "\n\n"])
    func lineBreaks(end: String) throws {
        try withFile(Array("s p ".utf8) + Array(end.utf8)) { path in
            let text = try read(.file(path))
            #expect(text == "s p ")
        }
    }

    @Test("an empty file, one that is not text, one that is too long, and none at all are refused")
    func badFiles() throws {
        for bytes in [[], [0x0A], [0xFF, 0xFE], [UInt8](repeating: 0x61, count: 70_000)] {
            try withFile(bytes) { path in #expect(throws: Problem.self) { try read(.file(path)) } }
        }
    }

    @Test("a file that is not there is named, unless it may be the secret itself")
    func missingFiles() {
        let path = #expect(throws: Problem.self) { try read(.file("/nowhere")) }
        #expect(path?.code == .notFound)
        #expect(path?.message == "The file /nowhere with the key cannot be read, or is empty.")
        let pasted = #expect(throws: Problem.self) { try read(.file("sk-pasted")) }
        #expect(pasted?.message.contains("pasted") == false)
    }

    @Test("a variable is read, and one that is not set is refused without a guess at what it was")
    func variables() throws {
        #expect(try read(.environment("KEY"), environment: ["KEY": "secret"]) == "secret")
        let error = #expect(throws: Problem.self) { try read(.environment("sk-pasted"), environment: [:]) }
        #expect(error.map { "\($0.message) \($0.hint)".contains("sk-pasted") } == false)
    }
}
