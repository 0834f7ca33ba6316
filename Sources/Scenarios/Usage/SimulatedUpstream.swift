import NIOCore
import TestKit

/// What an upstream did for one call, as the world knows it.
struct UpstreamWork {
    let request: String
    let plan: UsagePlan.Request
    /// Events with content that it produced, or tokens of a whole answer that it gave.
    var produced = 0
    /// Whether it handed over its own count.
    var toldUsage = false

    /// Its own count: no multiple of what can be counted on the way, so that one is not taken for the other.
    var reported: (input: Int, output: Int) { (1000 + plan.id, 3 * plan.answer.tokens + 1) }
}

/// The model servers: each connection's requests are answered as the plan says.
final class SimulatedUpstream {
    private let simulation: Simulation
    private let network: SimulatedNetwork
    let process: SimulatedProcess
    private let requests: [Int: UsagePlan.Request]
    private(set) var works: [UpstreamWork] = []
    private var connections: [Int: Connection] = [:]
    private var serial = 0

    init(_ simulation: Simulation, network: SimulatedNetwork, plan: UsagePlan) {
        self.simulation = simulation
        self.network = network
        process = simulation.makeProcess("upstream")
        requests = Dictionary(
            plan.clients.flatMap(\.requests).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for model in [UsagePlan.Model.first, .second] {
            network.listen(model.rawValue, of: process) { [unowned self] in accept($0) }
        }
    }

    private func accept(_ socket: SimulatedSocket) {
        serial += 1
        let id = serial
        connections[id] = Connection(socket, upstream: self) { [unowned self] in connections[id] = nil }
    }

    fileprivate func begin(_ request: String, plan id: Int) -> Int? {
        guard let plan = requests[id] else { return nil }
        simulation.note("upstream", "call \(request) of #\(id)")
        works.append(UpstreamWork(request: request, plan: plan))
        return works.count - 1
    }

    fileprivate func update(_ work: Int, _ change: (inout UpstreamWork) -> Void) { change(&works[work]) }

    fileprivate func after(_ milliseconds: Int, _ action: @escaping () -> Void) {
        simulation.after(.milliseconds(milliseconds), of: process, action)
    }

    /// Lets go of every connection: the run is over.
    func end() { connections = [:] }
}

/// One connection of the gateway to a model server.
private final class Connection {
    private let socket: SimulatedSocket
    private unowned let upstream: SimulatedUpstream
    private let onEnd: () -> Void
    private var text = HTTPText()
    private var head: HTTPText.Head?
    private var output = ByteBuffer()
    private var isOver = false
    private var isBusy = false
    private var closesWhenWritten = false
    /// What comes after what was written.
    private var next: (() -> Void)?

    init(_ socket: SimulatedSocket, upstream: SimulatedUpstream, onEnd: @escaping () -> Void) {
        self.socket = socket
        self.upstream = upstream
        self.onEnd = onEnd
        socket.onEvent = { [unowned self] event in
            switch event {
            case .readable: read()
            case .writable: pump()
            case .reset: end()
            }
        }
    }

    private func end() {
        guard !isOver else { return }
        isOver = true
        next = nil
        socket.close()
        onEnd()
    }

    private func read() {
        while let bytes = socket.read() { text.add(bytes.readableBytesView) }
        guard !socket.isAtEnd else { return end() }
        answerNext()
    }

    private func answerNext() {
        guard !isBusy, !isOver else { return }
        if head == nil { head = text.takeHead() }
        guard let head, case .length(let length) = head.body, let body = text.take(length) else { return }
        self.head = nil
        guard let work = upstream.begin(head.fields["x-request-id"] ?? "", plan: Self.planID(in: body)) else {
            return end()
        }
        isBusy = true
        let plan = upstream.works[work].plan
        upstream.after(plan.answer.delay) { [weak self] in self?.answer(plan, work) }
    }

    /// The prompt begins with `#17 `.
    private static func planID(in body: ArraySlice<UInt8>) -> Int {
        guard let start = body.firstIndex(of: UInt8(ascii: "#")) else { return 0 }
        let digits = body[(start + 1)...].prefix { (0x30...0x39).contains($0) }
        return Int(String(decoding: digits, as: UTF8.self)) ?? 0
    }

    // MARK: Answers

    private func answer(_ plan: UsagePlan.Request, _ work: Int) {
        guard !isOver else { return }
        if plan.answer.end == .failure { return answerWithFailure() }
        if plan.answer.end == .silence, plan.answer.endsAfter == 0 { return }
        if plan.isStream {
            write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            event(1, plan, work)
        } else {
            whole(plan, work)
        }
    }

    private func answerWithFailure() {
        let body = #"{"error":{"message":"out of memory","type":"server_error"}}"#
        write(
            "HTTP/1.1 500 Oops\r\ncontent-type: application/json\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)")
        then { [unowned self] in finish(keeps: true) }
    }

    private func whole(_ plan: UsagePlan.Request, _ work: Int) {
        let reported = upstream.works[work].reported
        let usage =
            plan.answer.tellsUsage
            ? #","usage":{"prompt_tokens":\#(reported.input),"completion_tokens":\#(reported.output)}"# : ""
        let content = String(repeating: "word ", count: plan.answer.tokens)
        let body =
            #"{"id":"a","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"\#(content)"}}]"#
            + usage + "}"
        write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: \(body.utf8.count)\r\n\r\n")
        guard plan.answer.end == .whole else {
            let part = body.utf8.count * plan.answer.endsAfter / (plan.answer.tokens + 1)
            write(String(decoding: body.utf8.prefix(part), as: UTF8.self))
            return breakOff(plan.answer.end)
        }
        upstream.update(work) {
            $0.produced = plan.answer.tokens
            $0.toldUsage = plan.answer.tellsUsage
        }
        write(body)
        then { [unowned self] in finish(keeps: plan.answer.keepsConnection) }
    }

    private func event(_ number: Int, _ plan: UsagePlan.Request, _ work: Int) {
        guard !isOver else { return }
        if plan.answer.end != .whole, number > plan.answer.endsAfter { return breakOff(plan.answer.end) }
        guard number <= plan.answer.tokens else { return lastEvents(plan, work) }
        upstream.update(work) { $0.produced = number }
        chunk(#"data: {"id":"a","model":"m","choices":[{"index":0,"delta":{"content":"w\#(number)"}}]}"#)
        if plan.answer.gap == 0 {
            then { [unowned self] in event(number + 1, plan, work) }
        } else {
            upstream.after(plan.answer.gap) { [weak self] in
                self?.then { self?.event(number + 1, plan, work) }
            }
        }
    }

    private func lastEvents(_ plan: UsagePlan.Request, _ work: Int) {
        let reported = upstream.works[work].reported
        if plan.answer.tellsUsage {
            upstream.update(work) { $0.toldUsage = true }
            chunk(
                #"data: {"id":"a","model":"m","choices":[],"usage":{"prompt_tokens":\#(reported.input),"#
                    + #""completion_tokens":\#(reported.output)}}"#)
        }
        if plan.answer.saysDone { chunk("data: [DONE]") }
        write("0\r\n\r\n")
        then { [unowned self] in finish(keeps: plan.answer.keepsConnection) }
    }

    private func breakOff(_ end: UsagePlan.Answer.End) {
        then { [unowned self] in
            switch end {
            case .reset:
                socket.reset()
                self.end()
            case .cut: self.end()
            case .silence, .whole, .failure: break
            }
        }
    }

    private func finish(keeps: Bool) {
        isBusy = false
        guard keeps else { return end() }
        answerNext()
    }

    // MARK: Bytes

    private func chunk(_ event: String) { write(String(event.utf8.count + 2, radix: 16) + "\r\n\(event)\n\n\r\n") }

    private func write(_ text: String) { output.writeString(text) }

    /// Goes on when the system has taken what was written.
    private func then(_ step: @escaping () -> Void) {
        next = step
        pump()
    }

    private func pump() {
        guard !isOver else { return }
        _ = socket.write(&output)
        guard output.readableBytes == 0, let step = next else { return }
        output.clear()
        next = nil
        step()
    }
}
