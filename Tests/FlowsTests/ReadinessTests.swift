import Flows
import Inference
import Kernel
import TestKit
import Testing

@Suite struct ReadinessTests {
    let samples = Samples()

    private func snapshot() throws -> RegistrySnapshot {
        let endpoint = try Inference.Endpoint(checking: "http://127.0.0.1:9")
        return RegistrySnapshot(deployments: [samples.deployment(try ModelName(checking: "echo"), at: endpoint)])
    }

    @Test("one model that answers makes the platform ready, and the others are listed with their state")
    func oneIsEnough() throws {
        let readiness = Readiness(
            registry: try snapshot(), services: [try ControlHarness.service("tiny", state: "fetching")],
            isDraining: false, blocked: [], version: "1")
        #expect(readiness.isReady)
        #expect(readiness.models.map(\.model) == ["echo", "tiny"])
        #expect(readiness.models.map(\.state) == ["ready", "fetching"])
    }

    @Test("without a model that answers the platform is starting")
    func starting() throws {
        let readiness = Readiness(
            registry: RegistrySnapshot(), services: [try ControlHarness.service("tiny", state: "starting")],
            isDraining: false, blocked: [], version: "1")
        #expect(readiness.status == .starting)
    }

    @Test("a journal that takes nothing blocks, and draining says so before all")
    func blockedAndDraining() throws {
        let blocked = Readiness(
            registry: try snapshot(), services: [], isDraining: false, blocked: ["the disk is full"], version: "1")
        #expect(blocked.status == .blocked)
        #expect(blocked.reasons == ["the disk is full"])
        let draining = Readiness(
            registry: try snapshot(), services: [], isDraining: true, blocked: ["the disk is full"], version: "1")
        #expect(draining.status == .draining)
    }
}
