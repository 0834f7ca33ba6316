import NIOCore
import TestKit
import Testing

/// Writes back what it reads.
private final class Echo: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.writeAndFlush(data, promise: nil) }
}

/// Writes a lot as soon as there is a connection, and notes what its channel says about it.
private final class Flood: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let notes: Shared<[String]>

    init(_ notes: Shared<[String]>) { self.notes = notes }

    func channelActive(context: ChannelHandlerContext) {
        for number in 0..<10 {
            let promise = context.eventLoop.makePromise(of: Void.self)
            context.writeAndFlush(
                wrapOutboundOut(ByteBuffer(repeating: UInt8(number), count: 1000)), promise: promise)
            promise.futureResult.whenComplete { [notes] result in
                let outcome = if case .success = result { "done" } else { "failed" }
                notes.update { $0.append("\(number) \(outcome)") }
            }
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        let isWritable = context.channel.isWritable
        notes.update { $0.append(isWritable ? "writable" : "full") }
    }

    func channelInactive(context: ChannelHandlerContext) { notes.update { $0.append("inactive") } }
}

@Suite("Simulation: channels", .serialized)
struct ChannelTests {
    /// Serves one connection with the handler, and gives its other end to the body.
    private func serve(
        seed: UInt64, window: Int, handler: @escaping @Sendable () -> any ChannelHandler,
        client: @escaping @Sendable (SimulatedSocket, Simulation, SimulatedProcess) -> Void
    ) async throws -> [String] {
        try await onSimulationThread {
            let simulation = Simulation(seed: seed)
            var conditions = NetworkConditions()
            conditions.window = window
            let network = SimulatedNetwork(simulation, conditions: conditions)
            let server = simulation.makeProcess("server")
            let near = simulation.makeProcess("client")
            let loop = SimulatedEventLoop(process: server)
            network.listen("server", of: server) { socket in
                _ = SimulatedChannel.start(on: socket, loop: loop) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.syncOptions?.setOption(
                            .writeBufferWaterMark, value: .init(low: 1000, high: 2000))
                        try channel.pipeline.syncOperations.addHandler(handler())
                    }
                }
            }
            let held = Shared<SimulatedSocket?>(nil)
            network.connect("client", to: "server", of: near) { result in
                guard case .success(let socket) = result else { return }
                held.update { $0 = socket }
                client(socket, simulation, near)
            }
            _ = simulation.run(until: .seconds(60))
            held.value?.close()
            simulation.end()
            return simulation.violations
        }
    }

    @Test(
        "bytes go through a pipeline and back, also when reading is slower than writing",
        arguments: 1...5 as ClosedRange<UInt64>)
    func echo(seed: UInt64) async throws {
        let text = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 / 3) }
        let back = Shared<[UInt8]>([])
        let violations = try await serve(seed: seed, window: 300, handler: { Echo() }) { socket, _, _ in
            var left = ByteBuffer(bytes: text)
            socket.onEvent = { event in
                while let bytes = socket.read(atMost: 100) { back.update { $0 += bytes.readableBytesView } }
                if event == .writable { _ = socket.write(&left) }
            }
            _ = socket.write(&left)
        }
        #expect(back.value == text)
        #expect(violations.isEmpty)
    }

    @Test(
        "a channel says that it is full and that it is not any more; writes complete in order as the system takes them")
    func writability() async throws {
        let notes = Shared<[String]>([])
        let violations = try await serve(seed: 2, window: 500, handler: { Flood(notes) }) {
            socket, simulation, process in
            // Reads only after a while: until then nothing can be written.
            simulation.after(.seconds(1), of: process) {
                notes.update { $0.append("reading") }
                let read = { while socket.read() != nil {} }
                socket.onEvent = { _ in read() }
                read()
            }
        }
        #expect(notes.value.prefix(2) == ["full", "reading"])
        #expect(notes.value.filter { $0.hasSuffix("done") } == (0..<10).map { "\($0) done" })
        #expect(notes.value.contains("writable"))
        #expect(violations.isEmpty)
    }

    @Test("a reset fails what was not written, and the channel ends")
    func reset() async throws {
        let notes = Shared<[String]>([])
        let violations = try await serve(seed: 2, window: 500, handler: { Flood(notes) }) {
            socket, simulation, process in
            simulation.after(.seconds(1), of: process) { socket.reset() }
        }
        #expect(notes.value.filter { $0.hasSuffix("failed") }.count == 10)
        #expect(notes.value.last == "inactive")
        #expect(violations.isEmpty)
    }
}
