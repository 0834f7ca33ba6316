import TestKit

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
    private var hasAsked = false
    private var left: ArraySlice<UsagePlan.Request> = []
    private var again: [UsagePlan.Request] = []
    private var connection: ClientConnection?
    /// Copies of requests that were delivered twice; each has a connection of its own.
    private var copies: [ClientConnection] = []
    private var openCopies = 0

    init(_ plan: UsagePlan.Client, number: Int, network: SimulatedNetwork, process: SimulatedProcess) {
        self.plan = plan
        self.network = network
        self.process = process
        simulation = network.simulation
        name = "client\(number)"
        left = plan.requests[...]
        simulation.after(.milliseconds(plan.start), of: process) { [unowned self] in goOn() }
    }

    /// Whether everything was asked and has ended, copies too.
    var isDone: Bool { hasAsked && openCopies == 0 }

    private func goOn() {
        if let request = left.first {
            let batch = plan.mode == .pipelined ? left : [request]
            left = left.dropFirst(batch.count)
            for request in batch where request.delivery == .twice { deliverCopy(of: request) }
            if plan.mode == .kept, let connection, connection.isUsable { return deliver(batch, on: connection) }
            connect(for: Array(batch))
        } else if !again.isEmpty {
            connect(for: [again.removeFirst()])
        } else {
            connection?.close()
            connection = nil
            hasAsked = true
        }
    }

    private func deliver(_ requests: ArraySlice<UsagePlan.Request>, on connection: ClientConnection) {
        if requests.contains(where: { $0.delivery == .lost }) {
            connection.lose(requests)
        } else {
            connection.send(requests)
        }
    }

    private func connect(for requests: [UsagePlan.Request]) {
        connection?.close()
        connection = nil
        open { [unowned self] socket in
            guard let socket else { return finished(requests.map { ClientOutcome(plan: $0) }, of: nil) }
            let connection = ClientConnection(
                socket, pace: plan.pace, closes: plan.mode == .alone, process: process, simulation: simulation
            ) { [unowned self] outcomes, connection in finished(outcomes, of: connection) }
            self.connection = connection
            deliver(requests[...], on: connection)
        }
    }

    /// - Parameter then: called once, with nil when nobody answered in time.
    private func open(_ then: @escaping (SimulatedSocket?) -> Void) {
        var isSettled = false
        network.connect("clients", to: "platform", of: process) { result in
            guard !isSettled else {
                if case .success(let socket) = result { socket.close() }
                return
            }
            isSettled = true
            then(try? result.get())
        }
        simulation.after(.seconds(2), of: process) {
            guard !isSettled else { return }
            isSettled = true
            then(nil)
        }
    }

    // MARK: Copies

    /// Whoever repeats it on the way waits for its answer, however the client fares with its own.
    private func deliverCopy(of request: UsagePlan.Request) {
        var request = request
        request.leavesAfter = nil
        openCopies += 1
        open { [unowned self] socket in
            guard let socket else { return copyEnded(ClientOutcome(plan: request)) }
            let connection = ClientConnection(
                socket, pace: 0, closes: true, process: process, simulation: simulation
            ) { [unowned self] outcomes, connection in
                outcomes.forEach(copyEnded)
                simulation.after(.milliseconds(5), of: process) { connection.close() }
            }
            copies.append(connection)
            connection.send([request])
        }
    }

    private func copyEnded(_ outcome: ClientOutcome) {
        var outcome = outcome
        outcome.isCopy = true
        simulation.note(name, "copy of #\(outcome.plan.id) \(outcome.seen) \(outcome.status) \(outcome.request)")
        outcomes.append(outcome)
        openCopies -= 1
    }

    // MARK: Ends

    private func finished(_ outcomes: [ClientOutcome], of connection: ClientConnection?) {
        for outcome in outcomes {
            simulation.note(
                name, "#\(outcome.plan.id) \(outcome.seen) \(outcome.status) \(outcome.request)")
            let others = self.outcomes.filter { $0.plan.id == outcome.plan.id }
            self.outcomes.append(outcome)
            // An answer to its copy is one to the client.
            let isAnswered = [.complete, .left].contains(outcome.seen) || others.contains { $0.seen == .complete }
            let isFirst = !others.contains { !$0.isCopy && !$0.isLost }
            guard !isAnswered, isFirst, outcome.plan.asksAgain || outcome.plan.delivery == .lost else { continue }
            var request = outcome.plan
            request.delivery = .once
            again.append(request)
        }
        // Not at once: whoever was refused would ask again in the same moment.
        simulation.after(.milliseconds(5), of: process) { [unowned self] in goOn() }
    }

    func end() {
        for copy in copies { copy.close() }
        copies = []
        connection?.close()
        connection = nil
    }
}
