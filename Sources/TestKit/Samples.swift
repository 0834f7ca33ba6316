package import Inference
package import Kernel
package import Tenancy

/// Values that tests begin with.
package struct Samples: Sendable {
    package let ids: IDSource
    package let clock: ManualClock

    package init(seed: UInt64 = 1, clock: ManualClock = ManualClock()) {
        self.clock = clock
        ids = IDSource(clock: clock, random: SeededRandom(seed: seed))
    }

    /// A key for the token, hashed by `TransparentHasher`.
    package func key(for token: KeyToken, in workspace: Workspace, expires: Instant? = nil) -> APIKey {
        APIKey(
            id: ids.next(), tenant: workspace.tenant, workspace: workspace.id, name: "laptop", prefix: token.prefix,
            hash: "plain:" + token.text.reveal(), created: clock.now, expires: expires)
    }

    /// For a store's method that wants one, where a test is about something else.
    package static let entry = AuditEntry(
        id: AuditID(ULID(high: 7, low: 7)), tenant: nil, at: Instant(microseconds: 0), actor: "test",
        action: "test.act",
        subject: "")

    package func workspace() -> Workspace { Workspace(id: ids.next(), tenant: ids.next(), name: "default") }

    package func deployment(
        _ model: ModelName, at endpoint: Endpoint, environment: ModelEnvironment = .production,
        aliases: [ModelName] = []
    ) -> Deployment {
        Deployment(
            id: ids.next(), model: model, environment: environment, aliases: aliases, wire: .openAI,
            endpoint: endpoint, upstreamModel: model.text, capabilities: [.chat, .tools], contextLimit: 4096,
            origin: .registered, registered: clock.now)
    }

    package func record(
        in workspace: WorkspaceID, key: KeyID, model: String = "tiny", status: RequestStatus = .succeeded,
        started: Instant? = nil, tokens: Int = 7
    ) -> UsageRecord {
        UsageRecord(
            request: ids.next(), clientRequest: "client-1", workspace: workspace, key: key, operation: .chat,
            model: model, deployment: ids.next(), isStream: true, status: status,
            httpStatus: status == .succeeded ? 200 : 502, errorCode: status == .succeeded ? nil : "UPSTREAM_ERROR",
            usage: Usage(inputTokens: tokens, outputTokens: tokens * 2, source: .provider),
            started: started ?? clock.now, latency: .milliseconds(120), firstToken: .milliseconds(30))
    }
}
