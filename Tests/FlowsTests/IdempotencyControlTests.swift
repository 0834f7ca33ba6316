import Flows
import Kernel
import Logging
import Tenancy
import TestKit
import Testing

/// The control plane's side of keyed requests, and what becomes of old ones.
@Suite struct IdempotencyControlTests {
    private let clock = ManualClock()
    private let samples = Samples()
    private let answers: ClockedAnswers
    private let flow: IdempotencyFlow
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() {
        answers = ClockedAnswers(clock: clock)
        flow = IdempotencyFlow(store: answers, digest: EchoedDigest(), clock: clock, logger: logger)
    }

    private func request(
        of principal: Principal = .platformOperator, workspace: WorkspaceID? = nil, path: String = "/v1/admin/keys",
        key: String = "k"
    ) throws -> KeyedRequest {
        try flow.request(
            of: principal, workspace: workspace, method: "POST", pattern: "/v1/admin/keys", path: path, keyText: key,
            body: [1])
    }

    @Test("what is answered and what is kept may differ: a secret is shown once")
    func secretOnce() async throws {
        let shown = try await flow.run(try request(), within: .seconds(1)) {
            .kept("the secret", StoredAnswer(status: 409, contentType: "application/problem+json", body: [4]))
        }
        #expect(shown == .carriedOut("the secret", .kept))
        let again = try await flow.run(try request(), within: .seconds(1)) {
            .kept("another secret", StoredAnswer(status: 201, contentType: "application/json", body: []))
        }
        #expect(again == .replayed(StoredAnswer(status: 409, contentType: "application/problem+json", body: [4])))
    }

    @Test("a caller's key is its own, also in one workspace and on the platform; a person keeps it over sign-ins")
    func callers() throws {
        let (workspace, user): (WorkspaceID, UserID) = (samples.ids.next(), samples.ids.next())
        func key(_ principal: Principal) throws -> IdempotencyKey {
            try request(of: principal, workspace: workspace).key
        }
        func session(_ user: UserID) -> Principal {
            Principal(identity: .session(samples.ids.next()), user: user, grants: [])
        }
        let callers = [
            Principal.platformOperator, Principal(identity: .key(samples.ids.next()), grants: []),
            Principal(identity: .key(samples.ids.next()), user: user, grants: []), session(user),
            session(samples.ids.next()),
        ]
        #expect(Set(try callers.map(key)).count == callers.count)
        #expect(try key(session(user)) == key(session(user)))
    }

    @Test("the same key for another thing of the same kind is another request")
    func anotherThing() async throws {
        _ = try await flow.run(try request(path: "/v1/admin/keys/a/rotate"), within: .seconds(1)) {
            .kept((), StoredAnswer(status: 200, contentType: "", body: []))
        }
        let problem = await #expect(throws: Problem.self) {
            _ = try await flow.run(try request(path: "/v1/admin/keys/b/rotate"), within: .seconds(1)) {
                .dropped(())
            }
        }
        #expect(problem?.code == .idempotencyConflict)
    }

    @Test(
        "a key that cannot be one is refused", arguments: ["", "  ", "ä", "a\nb", String(repeating: "k", count: 256)])
    func badKey(text: String) throws {
        let problem = #expect(throws: Problem.self) { _ = try request(key: text) }
        #expect(problem?.code == .validationError)
    }

    @Test("old records go batch by batch until none is left, and their keys are free again")
    func pruning() async throws {
        let pruning = IdempotencyPruning(store: answers)
        let count = 2 * IdempotencyPruning.batch + 1
        for number in 0..<count {
            _ = try await flow.run(try request(key: "\(number)"), within: .seconds(1)) {
                .kept((), StoredAnswer(status: 200, contentType: "", body: []))
            }
        }
        let early = try await pruning.prune()
        #expect(early == 0)
        clock.advance(by: IdempotencyKey.lifetime)
        let gone = try await pruning.prune()
        #expect(gone == count)
        #expect(answers.pruned == Array(repeating: IdempotencyPruning.batch, count: 4))
        let again = try await flow.run(try request(key: "0"), within: .seconds(1)) { .dropped("anew") }
        #expect(again == .carriedOut("anew", .dropped))
    }
}
