import Kernel
import NIOCore
import Synchronization
import TestKit
import Testing

@Suite("Simulation: network", .serialized)
struct NetworkTests {
    private struct Received: Sendable {
        var bytes: [UInt8] = []
        var reads = 0
        var messages: [[UInt8]] = []
        var end = ""
        var times: [Double] = []
        var figures = NetworkFigures()
    }

    /// Sends `bytes` over one stream and returns what came out.
    private func stream(
        seed: UInt64, _ bytes: [UInt8], _ conditions: NetworkConditions,
        also disturb: @escaping @Sendable (SimulatedNetwork) -> Void = { _ in }
    ) async throws -> Received {
        try await onSimulationThread {
            let simulation = Simulation(seed: seed)
            let network = SimulatedNetwork(simulation, conditions: conditions)
            let process = simulation.makeProcess("p")
            var received = Received()
            var ends: [SimulatedSocket] = []
            network.listen("server", of: process) { socket in
                ends.append(socket)
                socket.onEvent = { event in
                    while let bytes = socket.read() {
                        received.bytes += bytes.readableBytesView
                        received.reads += 1
                        received.times.append(simulation.elapsed.seconds)
                    }
                    if event == .reset { received.end = "reset" } else if socket.isAtEnd { received.end = "end" }
                }
            }
            network.connect("client", to: "server", of: process) { result in
                guard case .success(let socket) = result else { return }
                ends.append(socket)
                var left = ByteBuffer(bytes: bytes)
                let pump = {
                    _ = socket.write(&left)
                    if left.readableBytes == 0 { socket.endOutput() }
                }
                socket.onEvent = { if $0 == .writable { pump() } }
                disturb(network)
                pump()
            }
            _ = simulation.run(until: .seconds(60))
            for socket in ends { socket.close() }
            simulation.end()
            received.figures = network.figures
            return received
        }
    }

    private let text = (0..<20_000).map { UInt8(truncatingIfNeeded: $0 / 7) }

    @Test("a stream keeps its order and every byte, in pieces of any size", arguments: [1, 2, 3, 4, 5] as [UInt64])
    func order(seed: UInt64) async throws {
        var conditions = NetworkConditions()
        conditions.segment = 1...300
        conditions.window = 700
        let received = try await stream(seed: seed, text, conditions)
        #expect(received.bytes == text)
        #expect(received.end == "end")
        #expect(received.reads > 60)
        #expect(received.figures == NetworkFigures())
    }

    @Test("a connection that breaks loses what is on its way, and both ends learn of it")
    func resets() async throws {
        var conditions = NetworkConditions()
        conditions.segment = 10...100
        conditions.resets = 2000
        let received = try await stream(seed: 4, text, conditions)
        #expect(received.end == "reset")
        #expect(received.bytes.count < text.count)
        #expect(text.starts(with: received.bytes))
        #expect(received.figures.resets == 1)
    }

    @Test("a partition holds bytes back, and they come in order when it heals")
    func partition() async throws {
        var conditions = NetworkConditions()
        conditions.segment = 100...100
        let received = try await stream(seed: 9, text, conditions) {
            $0.cut("client", from: "server", for: .seconds(30))
        }
        #expect(received.bytes == text)
        #expect((received.times.last ?? 0) >= 30)
        #expect(received.figures.cuts == 1)
    }

    @Test("nobody listens: refused")
    func refused() async throws {
        let outcome = try await onSimulationThread {
            let simulation = Simulation(seed: 1)
            let network = SimulatedNetwork(simulation)
            let process = simulation.makeProcess("p")
            let outcome = Shared<String>("")
            network.connect("client", to: "nobody", of: process) { result in
                if case .failure(let failure) = result { outcome.update { $0 = "\(failure)" } }
            }
            _ = simulation.run(until: .seconds(1))
            simulation.end()
            return outcome.value
        }
        #expect(outcome == "refused")
    }

    /// How often each of 200 messages arrived, and whether they came in the order in which they were sent.
    private func messages(_ conditions: NetworkConditions) async throws -> (counts: [Int], inOrder: Bool) {
        try await onSimulationThread {
            let simulation = Simulation(seed: 5)
            let network = SimulatedNetwork(simulation, conditions: conditions)
            let process = simulation.makeProcess("p")
            var counts = Array(repeating: 0, count: 200)
            var order: [UInt8] = []
            network.receive("b", of: process) { _, bytes in
                counts[Int(bytes[0])] += 1
                order.append(bytes[0])
            }
            for number in UInt8(0)..<200 { network.send([number], from: "a", to: "b", of: process) }
            _ = simulation.run(until: .seconds(1))
            simulation.end()
            return (counts, order == order.sorted())
        }
    }

    @Test("messages are lost and doubled as often as told, and overtake each other")
    func messages() async throws {
        let (plain, inOrder) = try await messages(NetworkConditions())
        #expect(plain.allSatisfy { $0 == 1 })
        #expect(!inOrder)
        var conditions = NetworkConditions()
        conditions.losses = 300
        let (lossy, _) = try await messages(conditions)
        #expect((30...90).contains(lossy.count { $0 == 0 }))
        conditions.losses = 0
        conditions.doubles = 1000
        let (doubled, _) = try await messages(conditions)
        #expect(doubled.allSatisfy { $0 == 2 })
    }
}
