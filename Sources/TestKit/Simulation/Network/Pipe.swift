import NIOCore

/// One direction of a connection: bytes that the system took from the writer and that the reader has not read.
final class Pipe {
    private let network: SimulatedNetwork
    private let name: String
    private let nodes: (from: String, to: String)
    /// Taken from the writer, not sent yet.
    private var waiting = ByteBuffer()
    /// Sent, not arrived.
    private var travelling = 0
    private(set) var received = ByteBuffer()
    private(set) var isEnded = false
    private var lastArrival: Int64 = 0
    private var isEnding = false
    private var isCut = false
    private var isSending = false

    /// Bytes, or the end, are there to be read.
    var onArrival: (() -> Void)?
    /// Room for more.
    var onRoom: (() -> Void)?
    /// The connection broke on its way.
    var onBreak: (() -> Void)?

    init(_ name: String, network: SimulatedNetwork, from: String, to: String) {
        self.name = name
        self.network = network
        nodes = (from, to)
    }

    private var simulation: Simulation { network.simulation }

    var room: Int {
        isCut || isEnding
            ? 0 : max(0, network.conditions.window - waiting.readableBytes - travelling - received.readableBytes)
    }

    /// Takes as many bytes as there is room for.
    func write(_ bytes: inout ByteBuffer) -> Int {
        let count = min(room, bytes.readableBytes)
        guard count > 0, var taken = bytes.readSlice(length: count) else { return 0 }
        waiting.writeBuffer(&taken)
        send()
        return count
    }

    func end() {
        guard !isEnding, !isCut else { return }
        isEnding = true
        send()
    }

    /// Everything that has not been read is lost, and the reader learns of it by other ways.
    func cut() {
        isCut = true
        waiting.clear()
        received.clear()
        onRoom = nil
    }

    /// The writer's system went down with it: what was not sent yet never is.
    func dropUnsent() { waiting.clear() }

    func read(atMost count: Int) -> ByteBuffer? {
        guard received.readableBytes > 0 else { return nil }
        let hadRoom = room > 0
        let bytes = received.readSlice(length: min(count, received.readableBytes))
        if received.readableBytes == 0 { received.clear() } else { received.discardReadBytes() }
        if !hadRoom, room > 0 { onRoom?() }
        return bytes
    }

    private func send() {
        guard !isSending else { return }
        isSending = true
        defer { isSending = false }
        while !isCut, waiting.readableBytes > 0 {
            let length = min(waiting.readableBytes, network.random.integer(in: network.conditions.segment))
            guard let piece = waiting.readSlice(length: length) else { return }
            travelling += length
            let breaks = network.random.hits(UInt64(network.conditions.resets), in: 100_000)
            simulation.at(arrival(), of: network.process) { [self] in breaks ? breakOff() : arrive(piece) }
        }
        if waiting.readableBytes == 0 { waiting.clear() }
        guard isEnding, !isCut, waiting.readableBytes == 0 else { return }
        simulation.at(arrival(), of: network.process) { [self] in
            guard !isCut else { return }
            isEnded = true
            simulation.note("network", "\(name) \(nodes.from) -> \(nodes.to) end")
            onArrival?()
        }
    }

    private func arrival() -> Int64 {
        let arrival = network.passing(simulation.nanoseconds + network.delay(), nodes.from, nodes.to)
        // Never in the same moment: the order of what happens at once is anybody's.
        lastArrival = max(lastArrival + 1, arrival)
        return lastArrival
    }

    private func arrive(_ piece: ByteBuffer) {
        guard !isCut else { return }
        travelling -= piece.readableBytes
        simulation.note("network", "\(name) \(nodes.from) -> \(nodes.to) \(piece.readableBytes) bytes")
        received.writeImmutableBuffer(piece)
        onArrival?()
    }

    private func breakOff() {
        guard !isCut else { return }
        network.figures.resets += 1
        simulation.note("network", "\(name) broke")
        onBreak?()
    }
}
