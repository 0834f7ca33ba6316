import NIOCore
import TestKit

/// What a client saw of one request.
struct ClientOutcome {
    enum Seen: Equatable {
        /// No connection, or one that ended before an answer.
        case nothing
        /// An answer that broke off.
        case part
        /// All of it: the whole body, or `[DONE]`.
        case complete
        /// The client left on purpose.
        case left
        /// Longer than any limit of the platform.
        case hung
    }

    let plan: UsagePlan.Request
    var seen = Seen.nothing
    var status = 0
    /// The platform's name for the request.
    var request = ""
    /// Events with content, or whether there was any in a whole answer.
    var contents = 0
    /// When the last byte was there; virtual time.
    var endedAt: Duration = .zero
}

/// One client: sends what its plan says, and notes what comes back.
final class SimulatedClient {
    static let token = "vk_aaaaaaaaaa_" + String(repeating: "b", count: 40)
    /// Longer than everything that the platform may make a request wait for.
    static let patience = Duration.seconds(20)

    private let plan: UsagePlan.Client
    private let simulation: Simulation
    private let network: SimulatedNetwork
    private let process: SimulatedProcess
    private let name: String
    private(set) var outcomes: [ClientOutcome] = []
    private(set) var isDone = false
    private var left: ArraySlice<UsagePlan.Request> = []
    private var again: [UsagePlan.Request] = []
    private var connection: ClientConnection?

    init(_ plan: UsagePlan.Client, number: Int, network: SimulatedNetwork, process: SimulatedProcess) {
        self.plan = plan
        self.network = network
        self.process = process
        simulation = network.simulation
        name = "client\(number)"
        left = plan.requests[...]
        simulation.after(.milliseconds(plan.start), of: process) { [unowned self] in goOn() }
    }

    private func goOn() {
        if let request = left.first {
            let batch = plan.mode == .pipelined ? left : [request]
            left = left.dropFirst(batch.count)
            if plan.mode == .kept, let connection, connection.isUsable { return connection.send(batch) }
            connect(for: Array(batch))
        } else if !again.isEmpty {
            connect(for: [again.removeFirst()])
        } else {
            connection?.close()
            connection = nil
            isDone = true
        }
    }

    private func connect(for requests: [UsagePlan.Request]) {
        connection?.close()
        connection = nil
        var isSettled = false
        network.connect("clients", to: "platform", of: process) { [unowned self] result in
            guard !isSettled else {
                if case .success(let socket) = result { socket.close() }
                return
            }
            isSettled = true
            switch result {
            case .success(let socket): use(socket, for: requests)
            case .failure: finished(requests.map { ClientOutcome(plan: $0, endedAt: simulation.elapsed) }, of: nil)
            }
        }
        simulation.after(.seconds(2), of: process) { [unowned self] in
            guard !isSettled else { return }
            isSettled = true
            finished(requests.map { ClientOutcome(plan: $0, endedAt: simulation.elapsed) }, of: nil)
        }
    }

    private func use(_ socket: SimulatedSocket, for requests: [UsagePlan.Request]) {
        let connection = ClientConnection(
            socket, pace: plan.pace, closes: plan.mode == .alone, process: process, simulation: simulation
        ) { [unowned self] outcomes, connection in finished(outcomes, of: connection) }
        self.connection = connection
        connection.send(requests[...])
    }

    private func finished(_ outcomes: [ClientOutcome], of connection: ClientConnection?) {
        for outcome in outcomes {
            simulation.note(
                name, "#\(outcome.plan.id) \(outcome.seen) \(outcome.status) \(outcome.request)")
            let isFirst = !self.outcomes.contains { $0.plan.id == outcome.plan.id }
            self.outcomes.append(outcome)
            let isBroken = outcome.seen != .complete && outcome.seen != .left
            if isBroken, isFirst, outcome.plan.isDoubled { again.append(outcome.plan) }
        }
        // Not at once: whoever was refused would ask again in the same moment.
        simulation.after(.milliseconds(5), of: process) { [unowned self] in goOn() }
    }

    func end() {
        connection?.close()
        connection = nil
    }
}

/// One connection of a client, with the requests that were sent on it and are not answered.
final class ClientConnection {
    private let socket: SimulatedSocket
    private let pace: Int
    private let closes: Bool
    private let process: SimulatedProcess
    private let simulation: Simulation
    private let onOutcomes: ([ClientOutcome], ClientConnection) -> Void
    private var open: [ClientOutcome] = []
    private var done: [ClientOutcome] = []
    private var output = ByteBuffer()
    private var text = HTTPText()
    private var head: HTTPText.Head?
    private var body: [UInt8] = []
    private var isWaiting = false
    private var isOver = false
    private var turn = 0

    init(
        _ socket: SimulatedSocket, pace: Int, closes: Bool, process: SimulatedProcess, simulation: Simulation,
        onOutcomes: @escaping ([ClientOutcome], ClientConnection) -> Void
    ) {
        self.socket = socket
        self.pace = pace
        self.closes = closes
        self.process = process
        self.simulation = simulation
        self.onOutcomes = onOutcomes
        socket.onEvent = { [unowned self] event in
            switch event {
            case .readable: look()
            case .writable: pump()
            case .reset: brokeOff()
            }
        }
    }

    var isUsable: Bool { !isOver && !socket.isReset && !socket.isAtEnd }

    func close() {
        isOver = true
        socket.close()
    }

    // MARK: Asking

    func send(_ requests: ArraySlice<UsagePlan.Request>) {
        done = []
        turn += 1
        let turn = turn
        for request in requests {
            open.append(ClientOutcome(plan: request))
            output.writeString(Self.text(of: request, closes: closes))
            if let time = request.leavesAfter {
                simulation.after(.milliseconds(time), of: process) { [weak self] in self?.leave(turn, request.id) }
            }
        }
        let patience = SimulatedClient.patience * requests.count
        simulation.after(patience, of: process) { [weak self] in self?.giveUp(turn) }
        pump()
        look()
    }

    private static func text(of request: UsagePlan.Request, closes: Bool) -> String {
        let prompt = "#\(request.id) " + String(repeating: "x", count: request.promptBytes)
        let options = request.isStream ? #","stream":true"# : ""
        let usage = request.isStream && request.wantsUsage ? #","stream_options":{"include_usage":true}"# : ""
        let body =
            #"{"model":"\#(request.model.rawValue)","messages":[{"role":"user","content":"\#(prompt)"}]"#
            + options + usage + (request.isBroken ? "" : "}")
        return
            "POST /v1/chat/completions HTTP/1.1\r\nhost: platform\r\nauthorization: Bearer \(SimulatedClient.token)\r\n"
            + "content-type: application/json\r\nx-request-id: plan-\(request.id)\r\n"
            + "content-length: \(body.utf8.count)\r\n\(closes ? "connection: close\r\n" : "")\r\n\(body)"
    }

    private func pump() {
        guard !isOver else { return }
        _ = socket.write(&output)
    }

    // MARK: Reading

    private func look() {
        guard !isOver else { return }
        // It may have broken before it was ours.
        guard !socket.isReset else { return brokeOff() }
        guard pace > 0 else {
            while !isOver, let bytes = socket.read() { receive(bytes) }
            return lookForEnd()
        }
        guard !isWaiting else { return }
        isWaiting = true
        simulation.after(.milliseconds(10), of: process) { [weak self] in
            guard let self, !self.isOver else { return }
            self.isWaiting = false
            guard let bytes = self.socket.read(atMost: self.pace * 10) else { return self.lookForEnd() }
            self.receive(bytes)
            self.look()
        }
    }

    private func lookForEnd() { if !isOver, socket.isAtEnd { brokeOff() } }

    private func receive(_ bytes: ByteBuffer) {
        text.add(bytes.readableBytesView)
        while !open.isEmpty, !isOver, takeAnswer() {}
    }

    /// - Returns: whether an answer ended.
    private func takeAnswer() -> Bool {
        if head == nil {
            head = text.takeHead()
            guard let head else { return false }
            open[0].status = head.status
            open[0].request = head.fields["x-request-id"] ?? ""
            open[0].seen = .part
        }
        guard let head else { return false }
        switch head.body {
        case .length(let length):
            guard let bytes = text.take(length) else { return false }
            body = Array(bytes)
            open[0].contents = body.contains(UInt8(ascii: "w")) ? 1 : 0
            ended(.complete)
        case .chunked:
            while let chunk = text.takeChunk() {
                body.append(contentsOf: chunk)
                guard chunk.isEmpty else { continue }
                // A stream without its last event has ended in an error.
                let isWhole = body.suffix(14).elementsEqual("data: [DONE]\n\n".utf8)
                open[0].contents = Self.count(#""content":"#, in: body)
                ended(isWhole ? .complete : .part)
                return true
            }
            // The last event counts when it is there, whether the stream is closed or not.
            if body.suffix(14).elementsEqual("data: [DONE]\n\n".utf8) {
                open[0].contents = Self.count(#""content":"#, in: body)
                open[0].seen = .complete
                open[0].endedAt = simulation.elapsed
            }
            return false
        }
        return true
    }

    private static func count(_ text: String, in bytes: [UInt8]) -> Int {
        let wanted = Array(text.utf8)
        var found = 0
        var index = 0
        while index + wanted.count <= bytes.count {
            if bytes[index] == wanted[0], bytes[index..<index + wanted.count].elementsEqual(wanted) {
                found += 1
                index += wanted.count
            } else {
                index += 1
            }
        }
        return found
    }

    // MARK: Ends

    private func ended(_ seen: ClientOutcome.Seen) {
        var outcome = open.removeFirst()
        if outcome.seen != .complete { outcome.endedAt = simulation.elapsed }
        outcome.seen = seen
        done.append(outcome)
        head = nil
        body = []
        if open.isEmpty { report() }
    }

    private func report() {
        turn += 1
        let outcomes = done
        done = []
        onOutcomes(outcomes, self)
    }

    /// The other side closed or reset the connection.
    private func brokeOff() {
        guard !isOver else { return }
        close()
        endAll(nil)
    }

    private func leave(_ turn: Int, _ id: Int) {
        guard turn == self.turn, open.contains(where: { $0.plan.id == id }) else { return }
        close()
        endAll(.left)
    }

    private func giveUp(_ turn: Int) {
        guard turn == self.turn, !open.isEmpty else { return }
        close()
        endAll(.hung)
    }

    private func endAll(_ seen: ClientOutcome.Seen?) {
        guard !open.isEmpty else { return }
        for var outcome in open {
            if outcome.seen != .complete {
                outcome.endedAt = simulation.elapsed
                if let seen { outcome.seen = seen }
            }
            done.append(outcome)
        }
        open = []
        report()
    }
}
