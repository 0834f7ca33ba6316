import ArgumentParser
import Kernel
import Testing

@testable import volery

@Suite("what commands name, and what they say of it")
struct NamingTests {
    @Test("a key is named by identifier or prefix")
    func keys() throws {
        let id = try #require(KeyID("key_01M7YW6KHVRTG9C6CMVMKBKX5S"))
        #expect(try KeyName(argument: id.description) == .id(id))
        #expect(try KeyName(argument: "vk_9m6m4zq0ab") == .prefix("9m6m4zq0ab"))
        #expect(try KeyName(argument: "9m6m4zq0ab") == .prefix("9m6m4zq0ab"))
    }

    @Test(
        "what may be a whole key is neither taken nor repeated",
        arguments: ["vk_9m6m4zq0ab_secret", "vk_0123456789012345678901234567890123456789", "vk_", ""])
    func wholeKeys(text: String) {
        let error = #expect(throws: ValidationError.self) { try KeyName(argument: text) }
        #expect(text.count < 5 || error.map { !$0.message.contains(text) } == true)
    }

    @Test("what is deleted is restored, and what is suspended is resumed, and neither by the other")
    func states() throws {
        for state in ["active", "suspended"] { try StateChange.check(state, isOf: StateChange.resumed, "tenant") }
        for state in ["active", "deleted"] { try StateChange.check(state, isOf: StateChange.restored, "tenant") }
        let resumed = #expect(throws: Problem.self) {
            try StateChange.check("deleted", isOf: StateChange.resumed, "tenant")
        }
        #expect(resumed?.code == .conflict)
        #expect(resumed?.hint.contains("`volery tenants restore`") == true)
        let restored = #expect(throws: Problem.self) {
            try StateChange.check("suspended", isOf: StateChange.restored, "workspace")
        }
        #expect(restored?.hint.contains("`volery workspaces resume`") == true)
    }

    @Test("a log without events says whose it is, and how to see another")
    func emptyLogs() throws {
        let platform = try #require(try Volery.parseAsRoot(["audit", "list"]) as? AuditCommand.List)
        #expect(platform.chain.nothing == "No events in the platform's own log. --tenant shows a tenant's.")
        let tenant = try #require(try Volery.parseAsRoot(["audit", "list", "--tenant", "acme"]) as? AuditCommand.List)
        #expect(tenant.chain.nothing == "No events in the log of the tenant `acme`.")
    }

    @Test("JSON keeps what is empty on its line, and changes nothing in a text")
    func tightJSON() {
        #expect(Terminal.tight("{\n  \"a\" : [\n\n  ],\n  \"b\" : {\n  }\n}") == "{\n  \"a\" : [],\n  \"b\" : {}\n}")
        let text = #"{"a" : "[\n\n  ]"}"#
        #expect(Terminal.tight(text) == text)
    }
}
