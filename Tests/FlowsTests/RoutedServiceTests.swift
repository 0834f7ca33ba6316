import Inference
import Kernel
import TestKit
import Testing

@testable import Flows

@Suite struct RoutedServiceTests {
    @Test("a service is found again by the very name that it was asked for by, and in the same snapshot")
    func last() throws {
        let samples = Samples()
        let clock = ManualClock()
        // The second is one letter to a reader, and another one to a computer.
        let (name, lookalike) = ("model-K", "model-\u{212A}")
        #expect(name == lookalike)
        let deployment = samples.deployment(
            ModelName(known: "model-K"), at: try Endpoint(checking: "http://127.0.0.1:9000", parameter: "endpoint"))
        let snapshot = RegistrySnapshot(number: 3, deployments: [deployment])
        let services = RoutedServices(board: RoutingBoard(clock: clock))
        #expect(services.last(named: name, in: .production, snapshot) == nil)
        for _ in 0..<2 { _ = services.service(of: ModelName(known: "model-K"), in: .production, snapshot) }
        #expect(services.last(named: name, in: .production, snapshot)?.deployments == [deployment])
        #expect(services.last(named: lookalike, in: .production, snapshot) == nil)
        #expect(services.last(named: "model-k", in: .production, snapshot) == nil)
        #expect(services.last(named: name, in: .staging, snapshot) == nil)
        let later = RegistrySnapshot(number: 4, deployments: [deployment])
        #expect(services.last(named: name, in: .production, later) == nil)
    }
}
