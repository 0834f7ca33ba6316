import Fleet
import Flows
import Foundation
import Inference
import Kernel
import Tenancy
import TestKit

/// A `ControlFlow` over stores in memory.
struct ControlHarness {
    let clock: ManualClock
    let keys = MemoryKeyStore()
    let deployments = MemoryRegistryStore()
    let usage = MemoryUsageStore()
    let registry = Registry()
    let verifier: KeyVerifier
    let workspace: Workspace
    let samples: Samples
    let flow: ControlFlow

    init(runtimes: [ModelServiceStatus] = []) {
        let clock = ManualClock()
        let samples = Samples(clock: clock)
        let verifier = KeyVerifier(store: keys, hasher: TransparentHasher(), digests: PlainDigest(), clock: clock)
        workspace = samples.workspace()
        self.clock = clock
        self.samples = samples
        self.verifier = verifier
        flow = ControlFlow(
            workspace: workspace,
            parts: ControlFlow.Parts(
                keys: keys, hasher: TransparentHasher(), verifier: verifier, deployments: deployments,
                registry: RegistryRefresh(registry: registry, store: deployments), usage: usage,
                runtimes: { runtimes }, clock: clock, ids: samples.ids, random: SeededRandom(seed: 7)))
    }

    /// A model service as its listing shows it.
    static func service(_ name: String, state: String, aliases: [String] = []) throws -> ModelServiceStatus {
        let text = """
            {"name": "\(name)", "model": "\(name)", "aliases": [\(aliases.map { "\"\($0)\"" }.joined(separator: ","))],
             "kind": "chat", "state": "\(state)", "detail": "loading the model", "restarts": 0,
             "since": "2026-11-21T08:30:00.000Z", "licence": "apache-2.0", "context_limit": 2048, "memory_mib": 300,
             "bytes": 1000}
            """
        return try JSONDecoder().decode(ModelServiceStatus.self, from: Data(text.utf8))
    }
}

/// The problem that a call ends in; nil when it succeeds.
func problem(of call: () async throws -> some Any) async -> Problem? {
    do {
        _ = try await call()
        return nil
    } catch {
        return error as? Problem
    }
}
