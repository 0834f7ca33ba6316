import FoundationEssentials
import Inference
import Kernel
import NIOCore

/// One call to `demo-echo`, delivered as the bytes that a runtime would send.
final class EchoCall: UpstreamCall {
    private let eventLoop: any EventLoop
    private let operation: Operation
    private let created: Int64
    private var receiver: (any UpstreamReceiver)?
    private var pending: ArraySlice<String> = []
    private var isPaused = false
    private var timer: Scheduled<Void>?

    init(eventLoop: any EventLoop, operation: Operation, created: Instant) {
        self.eventLoop = eventLoop
        self.operation = operation
        self.created = created.seconds
    }

    /// Answers after the current turn of the loop, as a network would.
    func start(body: ByteBuffer, isStream: Bool, receiver: any UpstreamReceiver) {
        self.receiver = receiver
        let prompt = try? JSONDecoder().decode(EchoModel.Prompt.self, from: Data(body.readableBytesView))
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute {
            guard let prompt else {
                return bound.value.refuse()
            }
            isStream ? bound.value.stream(prompt) : bound.value.answer(prompt)
        }
    }

    func pause() { isPaused = true }

    func resume() {
        guard isPaused else { return }
        isPaused = false
        deliver()
    }

    var isHeldBack: Bool { false }

    func cancel() {
        receiver = nil
        timer?.cancel()
    }

    private func refuse() {
        let body =
            #"{"error":{"code":400,"message":"content must be text or an array of text parts","#
            + #""type":"invalid_request_error"}}"#
        send(status: 400, type: "application/json", body: body)
    }

    private func answer(_ prompt: EchoModel.Prompt) {
        let (words, isCut) = EchoModel.answer(to: prompt)
        let finish = isCut ? "length" : "stop"
        let text = quoted(words.joined())
        let choice =
            operation == .chat
            ? #""message":{"role":"assistant","content":\#(text)}"# : #""text":\#(text)"#
        let body =
            #"{\#(header()),"choices":[{"index":0,\#(choice),"finish_reason":"\#(finish)"}],"#
            + #""usage":\#(usage(prompt, words.count))}"#
        send(status: 200, type: "application/json", body: body)
    }

    private func send(status: Int, type: String, body: String) {
        receiver?.upstreamDidReceive(status: status, headers: HeaderFields(["content-type": type]))
        receiver?.upstreamDidReceive(ByteBuffer(string: body))
        let receiver = self.receiver
        self.receiver = nil
        receiver?.upstreamDidEnd()
    }

    private func stream(_ prompt: EchoModel.Prompt) {
        let (words, isCut) = EchoModel.answer(to: prompt)
        var events = words.map { event(delta: operation == .chat ? #"{"content":\#(quoted($0))}"# : quoted($0)) }
        if operation == .chat { events.insert(event(delta: #"{"role":"assistant","content":""}"#), at: 0) }
        events.append(event(delta: operation == .chat ? "{}" : #""""#, finish: isCut ? "length" : "stop"))
        events.append("data: {\(header(isChunk: true)),\"choices\":[],\"usage\":\(usage(prompt, words.count))}\n\n")
        events.append("data: [DONE]\n\n")
        pending = events[...]
        receiver?.upstreamDidReceive(status: 200, headers: HeaderFields(["content-type": "text/event-stream"]))
        deliver()
    }

    private func deliver() {
        guard !isPaused, let receiver, let event = pending.popFirst() else { return }
        receiver.upstreamDidReceive(ByteBuffer(string: event))
        receiver.upstreamDidFinishReading()
        guard !pending.isEmpty else {
            self.receiver = nil
            return receiver.upstreamDidEnd()
        }
        timer?.cancel()
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        timer = eventLoop.scheduleTask(in: EchoModel.pace) { bound.value.deliver() }
    }

    /// The members that every object of this answer begins with.
    private func header(isChunk: Bool = false) -> String {
        let kind = operation == .chat ? (isChunk ? "chat.completion.chunk" : "chat.completion") : "text_completion"
        return #""id":"echo-\#(created)","object":"\#(kind)","created":\#(created),"model":"\#(EchoModel.name)""#
    }

    private func event(delta: String, finish: String? = nil) -> String {
        let finish = finish.map { "\"\($0)\"" } ?? "null"
        let member = operation == .chat ? "delta" : "text"
        return #"data: {\#(header(isChunk: true)),"choices":[{"index":0,"\#(member)":\#(delta),"#
            + #""finish_reason":\#(finish)}]}"# + "\n\n"
    }

    private func usage(_ prompt: EchoModel.Prompt, _ output: Int) -> String {
        let input = prompt.inputWords
        return #"{"prompt_tokens":\#(input),"completion_tokens":\#(output),"total_tokens":\#(input + output)}"#
    }

    private func quoted(_ text: some StringProtocol) -> String {
        var buffer = ByteBuffer()
        buffer.writeJSONString(String(text))
        return String(buffer: buffer)
    }
}
