import Flows
import Inference
import Kernel
import Tenancy
import TestKit
import Testing

@Suite("A decision, explained")
struct RouteControlTests {
    private func store(
        _ record: RoutingRecord, in house: ControlHarness, bytes: [UInt8]? = nil
    ) async throws -> RequestID {
        let request: RequestID = house.samples.ids.next()
        try await house.usage.insert([
            StoredRoute(
                request: request, workspace: house.workspace.id, key: nil, accepted: house.samples.clock.now,
                record: bytes ?? RouteSamples.bytes(of: record))
        ])
        return request
    }

    @Test("says of each candidate what became of it, those that are asked first")
    func candidates() async throws {
        let house = try await ControlHarness()
        let route = try await house.flow.route(of: store(RouteSamples.record(), in: house))
        #expect(
            route.candidates.map(\.deployment) == [RouteSamples.first, RouteSamples.second, RouteSamples.broken])
        #expect(route.candidates.map(\.code) == ["taken", "fallback", "breaker_open"])
        #expect(route.candidates.map(\.isTaken) == [true, false, false])
        #expect(route.candidates.map(\.rank) == [1, 2, nil])
        #expect(
            route.candidates.map(\.reason) == [
                "Nobody that could answer has a smaller priority (0); of equal ones it was drawn by weight.",
                "It is asked after the first choice, if nobody has answered.",
                "It had failed too often, and was left alone for a time: its breaker was open.",
            ])
        let first = try #require(route.candidates.first)
        #expect(first.version == "2" && first.region == "eu-west" && first.firstToken == 0.25 && first.limit == 8)
        #expect(first.expected == 1.25 && first.cost == 40, "the operator sees what it costs")
        #expect(route.decision.deployment == RouteSamples.first && route.decision.asked == "llm:fast")
        #expect(route.decision.replay == .same && route.decision.snapshot == 12)
        #expect(route.status == nil && route.attempts.isEmpty && route.decision.model == nil)
    }

    @Test("names the calls that were made, with what each is known to have cost")
    func attempts() async throws {
        let house = try await ControlHarness()
        let provider: ProviderID = house.samples.ids.next()
        let plain = house.samples.record(in: house.workspace.id, key: house.samples.ids.next(), model: "qwen")
        let record = UsageRecord(
            request: plain.request, clientRequest: nil, workspace: plain.workspace, key: plain.key, operation: .chat,
            model: plain.model, deployment: RouteSamples.second, isStream: false, status: .succeeded, httpStatus: 200,
            errorCode: nil, usage: plain.usage, started: plain.started, latency: .zero, firstToken: nil,
            attempts: [
                Attempt(
                    number: 1, deployment: RouteSamples.first, provider: provider, upstream: nil, cost: .unknown),
                Attempt(number: 2, deployment: RouteSamples.second, upstream: "c-1", cost: .confirmed),
            ], route: RouteSamples.bytes(of: RouteSamples.record()))
        try await house.usage.insert([record])
        let route = try await house.flow.route(of: record.request)
        #expect(route.attempts.map(\.deployment) == [RouteSamples.first, RouteSamples.second])
        #expect(route.attempts.map(\.costState) == [.unknown, .confirmed])
        #expect(route.attempts.map(\.provider) == [provider, nil] && route.attempts.map(\.upstream) == [nil, "c-1"])
        #expect(route.status == .succeeded && route.decision.model == "qwen")
        let row = try await house.flow.usageRows(PageRequest()).data.first
        #expect(row?.attempts == route.attempts)
    }

    @Test("has a sentence and a code of its own for every verdict")
    func everyVerdict() async throws {
        let house = try await ControlHarness()
        var record = RouteSamples.record()
        record.policy = RoutingPolicy(
            strategy: .cheapest, regions: ["eu"], dataPolicies: ["no-training"], mostCost: 50,
            mostLatency: .seconds(2))
        let slow = RoutingSignal(firstToken: .seconds(3), cost: 1)
        let cases: [(code: String, change: (inout RoutingTarget) -> Void, signal: RoutingSignal)] = [
            ("taken", { _ in }, RoutingSignal(cost: 1)), ("fallback", { _ in }, RoutingSignal(cost: 2)),
            ("disabled", { $0.terms.isEnabled = false }, RoutingSignal(cost: 1)),
            ("capability_missing", { $0.capabilities = [] }, RoutingSignal(cost: 1)),
            ("context_too_small", { $0.contextLimit = 1199 }, RoutingSignal(cost: 1)),
            ("region", { $0.terms.region = nil }, RoutingSignal(cost: 1)),
            ("data_policy", { $0.terms.dataPolicies = [] }, RoutingSignal(cost: 1)),
            ("too_dear", { _ in }, RoutingSignal(cost: 51)), ("cost_unknown", { _ in }, RoutingSignal()),
            ("too_slow", { _ in }, slow), ("failing", { _ in }, RoutingSignal(cost: 1, health: .failing)),
            ("breaker_open", { _ in }, RoutingSignal(cost: 1, health: .open)),
            ("breaker_probing", { _ in }, RoutingSignal(cost: 1, health: .probing)),
            ("ejected", { _ in }, RoutingSignal(cost: 1, health: .ejected)),
            ("full", { _ in }, RoutingSignal(running: 4, limit: 4, cost: 1)),
        ]
        record.targets = cases.enumerated().map { place, one in
            var target = RoutingTarget(
                deployment: DeploymentID(ULID(high: 9, low: UInt64(place))), capabilities: [.chat], contextLimit: 4096)
            target.terms.region = "eu"
            target.terms.dataPolicies = ["no-training"]
            one.change(&target)
            return target
        }
        record.signals = cases.map(\.signal)
        record.order = record.replay().order
        let route = try await house.flow.route(of: store(record, in: house))
        #expect(route.candidates.map(\.code) == cases.map(\.code))
        #expect(Set(route.candidates.map(\.reason)).count == cases.count)
        #expect(route.candidates.allSatisfy { $0.reason.hasSuffix(".") && $0.reason.first?.isUppercase == true })
        let reasons = Dictionary(uniqueKeysWithValues: route.candidates.map { ($0.code, $0.reason) })
        #expect(
            reasons["context_too_small"] == "The prompt and the answer may need 1200 tokens together; it takes 1199.")
        #expect(reasons["too_slow"] == "The answer was expected to take 3000 ms; the workspace's bound is 2000 ms.")
        #expect(reasons["region"] == "Nobody said where it is; the workspace allows eu.")
    }

    @Test("says by what the first choice came first", arguments: RoutingPolicy.Strategy.allCases)
    func strategies(strategy: RoutingPolicy.Strategy) async throws {
        let house = try await ControlHarness()
        var record = RouteSamples.record()
        record.policy = RoutingPolicy(strategy: strategy)
        record.order = record.replay().order
        let several = try await house.flow.route(of: store(record, in: house))
        #expect(several.candidates.first?.reason.isEmpty == false)
        record.targets = [record.targets[0]]
        record.signals = [record.signals[0]]
        record.order = [0]
        let only = try await house.flow.route(of: store(record, in: house))
        #expect(only.candidates.first?.reason == "It was the only one that could answer.")
        #expect(several.candidates.first?.reason != only.candidates.first?.reason)
    }

    @Test("says plainly when the rules decide otherwise now, and keeps who was asked")
    func differs() async throws {
        let house = try await ControlHarness()
        var record = RouteSamples.record()
        record.order = [2, 0]
        let route = try await house.flow.route(of: store(record, in: house))
        #expect(route.decision.replay == .differs)
        #expect(route.decision.deployment == RouteSamples.second)
        #expect(route.candidates.map(\.rank) == [1, 2, nil])
    }

    @Test("of nobody who could answer names no deployment")
    func nobody() async throws {
        let house = try await ControlHarness()
        var record = RouteSamples.record()
        for place in record.signals.indices { record.signals[place].health = .open }
        record.order = []
        let route = try await house.flow.route(of: store(record, in: house))
        #expect(route.decision.deployment == nil && route.decision.replay == .same)
        #expect(route.candidates.allSatisfy { !$0.isTaken && $0.rank == nil && $0.code == "breaker_open" })
    }

    @Test("that is not there, or cannot be read, is not found, with a hint")
    func missing() async throws {
        let house = try await ControlHarness()
        let damaged = try await store(RouteSamples.record(), in: house, bytes: [9, 9, 9])
        for request in [damaged, house.samples.ids.next()] {
            let problem = await #expect(throws: Problem.self) { try await house.flow.route(of: request) }
            #expect(problem?.code == .notFound && problem?.hint.isEmpty == false)
        }
    }
}
