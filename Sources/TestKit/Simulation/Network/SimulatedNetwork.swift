import Kernel

/// How the ways between nodes behave. Values that a plan may set; the defaults disturb nothing but the order.
package struct NetworkConditions: Sendable, Equatable, Codable {
    /// Microseconds that a piece of a stream, or a message, is on its way.
    package var delay: ClosedRange<Int> = 20...300
    /// Bytes that travel in one piece.
    package var segment: ClosedRange<Int> = 512...16_384
    /// Bytes that may be on their way and unread at the other end; the writer waits then.
    package var window = 65_536
    /// Of 100,000 pieces, how many break their connection instead of arriving.
    package var resets = 0
    /// Of 1000 connection attempts, how many are refused, and how many never answered.
    package var refusals = 0
    package var silences = 0
    /// Of 1000 messages, how many are lost, how many come twice.
    package var losses = 0
    package var doubles = 0

    package init() {}
}

/// What a network did to its nodes so far.
package struct NetworkFigures: Sendable, Equatable {
    /// Partitions that held something back.
    package internal(set) var cuts = 0
    /// Connections that broke on their way.
    package internal(set) var resets = 0
    /// Attempts at a connection that were refused although somebody listened, and that nobody answered.
    package internal(set) var refusals = 0
    package internal(set) var silences = 0

    package init() {}
}

/// Why a connection did not come about.
package enum ConnectFailure: Error, Sendable, Equatable { case refused }

/// Streams and messages between named nodes, under the simulation's seed and in its time.
// SAFETY: touched on the simulation's thread only.
package final class SimulatedNetwork: @unchecked Sendable {
    package let simulation: Simulation
    package var conditions: NetworkConditions
    package internal(set) var figures = NetworkFigures()
    /// The network itself never crashes.
    let process: SimulatedProcess
    let random: SeededRandom
    private var listeners: [String: Listener] = [:]
    private var inboxes: [String: Inbox] = [:]
    private var cuts: [Cut] = []
    private var connections = 0

    private struct Listener {
        let process: SimulatedProcess
        let accept: (SimulatedSocket) -> Void
    }

    private struct Inbox {
        let process: SimulatedProcess
        let receive: (String, [UInt8]) -> Void
    }

    private struct Cut {
        let between: Set<String>
        let until: Int64
        var hasHeld = false
    }

    package init(_ simulation: Simulation, conditions: NetworkConditions = NetworkConditions()) {
        self.simulation = simulation
        self.conditions = conditions
        process = simulation.makeProcess("network")
        random = simulation.streams.stream("network")
    }

    // MARK: Partitions

    /// What is sent between the two from now on waits until `duration` has passed, and arrives in order then.
    package func cut(_ node: String, from other: String, for duration: Duration) {
        simulation.note("network", "cut \(node) | \(other) for \(duration)")
        let until = simulation.nanoseconds + duration.wholeNanoseconds
        cuts.append(Cut(between: [node, other], until: until))
    }

    /// When something that would arrive at `time` does so.
    func passing(_ time: Int64, _ node: String, _ other: String) -> Int64 {
        cuts.removeAll { $0.until <= simulation.nanoseconds }
        var time = time
        for index in cuts.indices where cuts[index].between == [node, other] && cuts[index].until > time {
            time = cuts[index].until
            guard !cuts[index].hasHeld else { continue }
            cuts[index].hasHeld = true
            figures.cuts += 1
        }
        return time
    }

    /// Partitions heal and nothing breaks any more; what is on its way arrives.
    package func calm() {
        cuts = []
        conditions.resets = 0
        conditions.refusals = 0
        conditions.silences = 0
        conditions.losses = 0
        conditions.doubles = 0
    }

    // MARK: Streams

    /// - Parameter accept: called with each connection's end of the listener, on no event loop.
    package func listen(_ node: String, of process: SimulatedProcess, _ accept: @escaping (SimulatedSocket) -> Void) {
        listeners[node] = Listener(process: process, accept: accept)
        process.onCrash { [weak self] _ in self?.close(node, of: process) }
    }

    package func close(_ node: String, of process: SimulatedProcess) {
        if listeners[node]?.process === process { listeners[node] = nil }
    }

    /// - Parameter then: called once, on no event loop, or never when nobody answers.
    package func connect(
        _ node: String, to other: String, of process: SimulatedProcess,
        then: @escaping (Result<SimulatedSocket, ConnectFailure>) -> Void
    ) {
        connections += 1
        let id = connections
        let name = "\(node)-\(other)#\(id)"
        let isRefused = random.hits(UInt64(conditions.refusals), in: 1000)
        let isIgnored = random.hits(UInt64(conditions.silences), in: 1000)
        let arrival = passing(simulation.nanoseconds + delay(), node, other)
        simulation.at(arrival, of: self.process) { [self] in
            guard process.isAlive else { return }
            guard !isIgnored else { return figures.silences += 1 }
            let way = passing(simulation.nanoseconds + delay(), node, other)
            guard !isRefused, let listener = listeners[other], listener.process.isAlive else {
                if isRefused, listeners[other]?.process.isAlive ?? false { figures.refusals += 1 }
                simulation.note("network", "\(name) refused")
                simulation.at(way, of: process) { then(.failure(.refused)) }
                return
            }
            let (near, far) = SimulatedSocket.pair(
                name, network: self, nodes: (node, other), processes: (process, listener.process))
            simulation.note("network", "\(name) opened")
            listener.accept(far)
            simulation.at(way, of: process) { then(.success(near)) }
        }
    }

    func delay() -> Int64 { Int64(random.integer(in: conditions.delay)) * 1000 }

    // MARK: Messages

    package func receive(
        _ node: String, of process: SimulatedProcess, _ receive: @escaping (_ from: String, [UInt8]) -> Void
    ) {
        inboxes[node] = Inbox(process: process, receive: receive)
    }

    /// Sends a message of its own: it may be lost, come twice, or overtake another.
    package func send(_ message: [UInt8], from node: String, to other: String, of process: SimulatedProcess) {
        guard process.isAlive else { return }
        let copies = random.hits(UInt64(conditions.doubles), in: 1000) ? 2 : 1
        for _ in 0..<copies {
            let isLost = random.hits(UInt64(conditions.losses), in: 1000)
            let arrival = passing(simulation.nanoseconds + delay(), node, other)
            guard !isLost else { continue }
            simulation.at(arrival, of: self.process) { [self] in
                guard let inbox = inboxes[other], inbox.process.isAlive else { return }
                simulation.note("network", "\(node) -> \(other) message of \(message.count) bytes")
                inbox.receive(node, message)
            }
        }
    }
}
