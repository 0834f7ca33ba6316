import App
import AsyncHTTPClient
import Flows
import HTTPAPI
import Hummingbird
import HummingbirdTesting
import Inference
import Kernel
import Logging
import Tenancy
import TestKit
import Testing

/// The remote control against the real API over a real port, with stores in memory behind it.
@Suite struct RemoteControlTests {
    private static let token = Secret("vo_" + String(repeating: "7", count: 40))

    private func withRemote(
        token: Secret = RemoteControlTests.token,
        _ body: @escaping @Sendable (any Control, MemoryUsageStore, Samples, WorkspaceID) async throws -> Void
    ) async throws {
        let samples = Samples()
        let deployments = MemoryRegistryStore()
        let usage = MemoryUsageStore()
        let workspace = samples.workspace()
        let flow = ControlFlow(
            workspace: workspace,
            parts: ControlFlow.Parts(
                keys: MemoryKeyStore(), hasher: TransparentHasher(), verifier: nil, deployments: deployments,
                registry: RegistryRefresh(registry: Registry(), store: deployments), usage: usage, runtimes: { [] },
                clock: samples.clock, ids: samples.ids, random: SeededRandom(seed: 5)))
        let readiness = Readiness(
            registry: RegistrySnapshot(), services: [], isDraining: false, blocked: [], version: "1")
        let api = ControlAPI(
            control: flow, readiness: { readiness }, openAPI: [], operatorToken: Self.token, ids: samples.ids,
            clock: samples.clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await Application(router: api.makeRouter(), configuration: .init(address: .hostname("127.0.0.1", port: 0)))
            .test(.live) { server in
                let port = try #require(server.port)
                try await HTTPClient.withHTTPClient { client in
                    let remote = RemoteControl(client: client, url: "http://127.0.0.1:\(port)", token: token)
                    try await body(remote, usage, samples, workspace.id)
                }
            }
    }

    @Test("everything that an operator can do works over the wire as it does in the process")
    func roundTrip() async throws {
        try await withRemote { remote, usage, samples, workspace in
            let key = try await remote.createKey(NewKey(name: "laptop", expires: samples.clock.now + .seconds(60)))
            #expect(key.token.reveal().hasPrefix("vk_\(key.view.prefix)_"))
            #expect(try await remote.listKeys(PageRequest(limit: 1)).data == [key.view])
            #expect(try await remote.revokeKey(key.view.id).revoked == samples.clock.now)

            let made = try await remote.registerDeployment(
                NewDeployment(model: "far", endpoint: "http://127.0.0.1:9", aliases: ["x"], capabilities: ["chat"]))
            #expect(try await remote.listDeployments() == [made])
            #expect(try await remote.models().map(\.model) == ["far"])
            #expect(try await remote.deregister(made.id) == made)

            let record = samples.record(in: workspace, key: key.view.id)
            try await usage.insert([record])
            #expect(try await remote.usageRows(PageRequest()).data == [UsageRowView(record)])
            #expect(try await remote.usageSummary(days: 30).map(\.requests) == [1])
            #expect(try await remote.runtimes().isEmpty)
        }
    }

    @Test("a problem comes over the wire whole")
    func problems() async throws {
        try await withRemote { remote, _, samples, _ in
            let id: KeyID = samples.ids.next()
            let missing = await #expect(throws: Problem.self) { try await remote.revokeKey(id) }
            #expect(missing?.code == .notFound)
            #expect(missing?.hint == "`volery keys list` shows the keys.")
            let bad = await #expect(throws: Problem.self) {
                try await remote.registerDeployment(NewDeployment(model: "far", endpoint: "ftp://x"))
            }
            #expect(bad?.parameter == "endpoint")
        }
    }

    @Test("another token is refused, and nobody there is silence")
    func refused() async throws {
        try await withRemote(token: Secret("vo_" + String(repeating: "8", count: 40))) { remote, _, _, _ in
            let problem = await #expect(throws: Problem.self) { try await remote.listKeys(PageRequest()) }
            #expect(problem?.code == .invalidAPIKey)
        }
        try await HTTPClient.withHTTPClient(configuration: .sameMachine) { client in
            let nobody = RemoteControl(client: client, url: "http://127.0.0.1:1", token: Self.token)
            let problem = await #expect(throws: Problem.self) { try await nobody.listDeployments() }
            #expect(problem?.code == .platformSilent)
        }
    }
}
