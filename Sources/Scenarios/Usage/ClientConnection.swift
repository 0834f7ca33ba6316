import NIOCore
import TestKit

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
    private var answers = AnswerReader()
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

    /// The way loses them: the connection is reset before anything of them is written.
    func lose(_ requests: ArraySlice<UsagePlan.Request>) {
        simulation.note("network", "\(socket.name) loses \(requests.map { "#\($0.id)" }.joined(separator: " "))")
        done = []
        open += requests.map { ClientOutcome(plan: $0, isLost: true) }
        isOver = true
        socket.reset()
        endAll(nil)
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
        answers.add(bytes.readableBytesView)
        while !open.isEmpty, !isOver, let step = answers.next() { take(step) }
    }

    private func take(_ step: AnswerReader.Step) {
        switch step {
        case .head(let status, let request):
            open[0].status = status
            open[0].request = request
            open[0].seen = .part
        case .done(let contents):
            open[0].contents = contents
            open[0].seen = .complete
        case .end(let contents, let isWhole):
            open[0].contents = contents
            ended(isWhole ? .complete : .part)
        }
    }

    // MARK: Ends

    private func ended(_ seen: ClientOutcome.Seen) {
        var outcome = open.removeFirst()
        outcome.seen = seen
        done.append(outcome)
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
            if outcome.seen != .complete, let seen { outcome.seen = seen }
            done.append(outcome)
        }
        open = []
        report()
    }
}
