import Flows
import Foundation
import HTTPAPI
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Kernel
import NIOCore
import Synchronization
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

    @Test("an export ends in the middle when its credential does")
    func ended() async throws {
        let house = try await House()
        _ = try await house.flow.createTenant(NewTenant(name: "acme"))
        let place = NewMember(user: "ann", role: "admin", tenant: "acme")
        let tenant = try await house.flow.addMember(place).tenant
        _ = try await house.flow.setPassword(NewPassword(user: "ann", password: Secret("correct horse battery")))
        for number in 0..<600 {
            _ = try await house.flow.changeTenant(tenant, DirectoryChangeRequest(name: "acme \(number)"))
        }
        let session = try await house.ask(
            .post, "/v1/auth/sessions", token: nil, body: #"{"user": "ann", "password": "correct horse battery"}"#)
        let token = try #require(try session.json()["token"] as? String)
        let whole = try await house.ask(.get, "/v1/admin/audit/export", token: token)
        #expect(String(buffer: whole.body).split(separator: "\n").count > 600)
        let reader = SlowReader(inner: house.api.makeRouter().buildResponder()) {
            _ = try await house.ask(.delete, "/v1/auth/sessions/current", token: token)
        }
        let headers: HTTPFields = [.authorization: "Bearer \(token)"]
        let cut = try await Application(responder: reader).test(.router) { client in
            try await client.execute(uri: "/v1/admin/audit/export", method: .get, headers: headers)
        }
        #expect(String(buffer: cut.body).split(separator: "\n").count == 500)
        #expect(cut.field("broken-by") == "INVALID_API_KEY")
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

/// Reads an answer's body to its end or its break, and does something after the first part. What it had is the body of
/// its own answer, and the code of the break stands in `broken-by`.
private struct SlowReader: HTTPResponder {
    let inner: RouterResponder<ControlContext>
    let afterFirst: @Sendable () async throws -> Void

    func respond(to request: Request, context: ControlContext) async throws -> Response {
        let answer = try await inner.respond(to: request, context: context)
        let parts = Mutex<[ByteBuffer]>([])
        let writer = Writer(afterFirst: afterFirst) { part in
            parts.withLock {
                $0.append(part)
                return $0.count
            }
        }
        var headers: HTTPFields = [:]
        do {
            try await answer.body.write(writer)
        } catch let problem as Problem {
            if let name = HTTPField.Name("broken-by") { headers[name] = problem.code.rawValue }
        }
        var body = ByteBuffer()
        for var part in parts.withLock({ $0 }) { body.writeBuffer(&part) }
        return Response(status: answer.status, headers: headers, body: ResponseBody(byteBuffer: body))
    }

    private struct Writer: ResponseBodyWriter {
        let afterFirst: @Sendable () async throws -> Void
        /// Takes a part and says how many there are.
        let take: (ByteBuffer) -> Int

        func write(_ buffer: ByteBuffer) async throws {
            if take(buffer) == 1 { try await afterFirst() }
        }

        func finish(_ trailers: HTTPFields?) async throws {}
    }
}
