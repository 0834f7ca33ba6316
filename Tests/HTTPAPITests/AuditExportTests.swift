import Flows
import Foundation
import HTTPAPI
import HTTPTypes
import HummingbirdTesting
import Kernel
import NIOCore
import Tenancy
import TestKit
import Testing

@Suite struct AuditExportTests {
    @Test("an export has every event of the chain in order, one a line, and is itself an event")
    func export() async throws {
        let house = try await House()
        let tenant = try await house.flow.createTenant(NewTenant(name: "acme")).id
        for number in 0..<1200 {
            _ = try await house.flow.changeTenant(tenant, DirectoryChangeRequest(name: "acme \(number)"))
        }
        let answer = try await house.ask(.get, "/v1/admin/audit/export?tenant=\(tenant)")
        #expect(answer.status == .ok)
        #expect(answer.field("content-type") == "application/x-ndjson")
        let events = try String(buffer: answer.body).split(separator: "\n").map {
            try JSONDecoder().decode(AuditEventView.self, from: Data($0.utf8))
        }
        #expect(events.map(\.sequence) == Array(1...1202))
        #expect(events.last?.action == "audit.export")
        #expect(zip(events, events.dropFirst()).allSatisfy { $0.seal == $1.previous })
        let few = try await house.ask(.get, "/v1/admin/audit/export?tenant=\(tenant)&after=1199&limit=2")
        #expect(String(buffer: few.body).split(separator: "\n").count == 2)
    }

    @Test("events come newest first, page by page, by their numbers")
    func pages() async throws {
        let house = try await House()
        for number in 0..<5 { _ = try await house.flow.createUser(NewUser(name: "user \(number)")) }
        let first = try await house.ask(.get, "/v1/admin/audit?limit=2").json()
        #expect(first["last_id"] as? String == "4")
        let second = try await house.ask(.get, "/v1/admin/audit?limit=2&after=4").json()
        let events = try #require(second["data"] as? [[String: Any]])
        #expect(events.map { $0["sequence"] as? Int } == [3, 2])
        #expect(events.first?["actor"] as? String == "operator")
    }
}
