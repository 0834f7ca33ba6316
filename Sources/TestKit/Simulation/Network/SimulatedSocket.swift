package import NIOCore

/// One end of a connection, as a system's socket: bytes in order, an end, a reset.
// SAFETY: touched on the simulation's thread only.
package final class SimulatedSocket: @unchecked Sendable {
    package enum Event: Sendable {
        /// Bytes or the end can be read.
        case readable
        /// There is room again.
        case writable
        /// The connection is gone, with what was not read.
        case reset
    }

    package let name: String
    private let network: SimulatedNetwork
    private let process: SimulatedProcess
    private let incoming: Pipe
    private let outgoing: Pipe
    private weak var other: SimulatedSocket?
    private var isOpen = true
    package private(set) var isReset = false
    /// Told of news, in no particular context; set by whoever owns this end.
    package var onEvent: ((Event) -> Void)?

    private init(_ name: String, network: SimulatedNetwork, process: SimulatedProcess, incoming: Pipe, outgoing: Pipe) {
        self.name = name
        self.network = network
        self.process = process
        self.incoming = incoming
        self.outgoing = outgoing
    }

    static func pair(
        _ name: String, network: SimulatedNetwork, nodes: (String, String),
        processes: (SimulatedProcess, SimulatedProcess)
    ) -> (SimulatedSocket, SimulatedSocket) {
        let there = Pipe(name, network: network, from: nodes.0, to: nodes.1)
        let back = Pipe(name, network: network, from: nodes.1, to: nodes.0)
        let near = SimulatedSocket(name, network: network, process: processes.0, incoming: back, outgoing: there)
        let far = SimulatedSocket(name, network: network, process: processes.1, incoming: there, outgoing: back)
        near.attach(to: far)
        far.attach(to: near)
        return (near, far)
    }

    private func attach(to other: SimulatedSocket) {
        self.other = other
        // Whoever uses an end holds it, and with it both pipes; an end that nobody holds was closed.
        incoming.onArrival = { [weak self, weak other] in
            if let self { tell(.readable) } else { other?.wasReset() }
        }
        outgoing.onRoom = { [weak self] in self?.tell(.writable) }
        incoming.onBreak = { [weak self, weak other] in
            self?.wasReset()
            other?.wasReset()
        }
        process.onCrash { [weak self] kind in self?.ownerDied(kind) }
    }

    private func tell(_ event: Event) {
        guard isOpen else {
            // Nobody is there to read it: the system answers with a reset.
            if event == .readable, incoming.received.readableBytes > 0 { resetOther() }
            return
        }
        onEvent?(event)
    }

    // MARK: The owner's side

    /// - Returns: how many bytes were taken; the rest waits for `.writable`.
    package func write(_ bytes: inout ByteBuffer) -> Int {
        guard isOpen, !isReset, process.isAlive else { return 0 }
        return outgoing.write(&bytes)
    }

    /// - Returns: nil when nothing is there now.
    package func read(atMost count: Int = 65_536) -> ByteBuffer? {
        isOpen && !isReset ? incoming.read(atMost: count) : nil
    }

    /// Whether the other side has sent its end, and all before it was read.
    package var isAtEnd: Bool { incoming.isEnded && incoming.received.readableBytes == 0 }

    /// Whether the other side has sent its end.
    var hasEnd: Bool { incoming.isEnded }
    var hasBytes: Bool { isOpen && !isReset && incoming.received.readableBytes > 0 }

    package func endOutput() {
        guard isOpen, process.isAlive else { return }
        outgoing.end()
    }

    /// An orderly close; a reset where something came that was not read.
    package func close() {
        guard isOpen, process.isAlive else { return }
        if incoming.received.readableBytes > 0 { return reset() }
        isOpen = false
        onEvent = nil
        if !isReset { outgoing.end() }
    }

    package func reset() {
        guard isOpen, process.isAlive else { return }
        isOpen = false
        onEvent = nil
        outgoing.cut()
        resetOther()
    }

    // MARK: The system's side

    private func resetOther() {
        guard let other, !other.isReset else { return }
        let network = network
        network.simulation.at(network.simulation.nanoseconds + network.delay(), of: network.process) {
            other.wasReset()
        }
    }

    private func wasReset() {
        guard !isReset else { return }
        isReset = true
        incoming.cut()
        outgoing.cut()
        network.simulation.note("network", "\(name) reset")
        if isOpen { onEvent?(.reset) }
    }

    /// The system closes a killed process's connections after it has sent what it took. Without power it sends nothing
    /// more, and the other side learns of it when the machine is back.
    private func ownerDied(_ kind: DiskCrash) {
        guard isOpen else { return }
        isOpen = false
        onEvent = nil
        switch kind {
        case .process:
            if incoming.received.readableBytes > 0 || network.random.hits(in: 3) {
                resetOther()
            } else {
                outgoing.end()
            }
        case .power:
            outgoing.dropUnsent()
            resetOther()
        }
    }
}
