import Billing
import Flows
import Gateway
import Inference
import Kernel
import NIOCore
import NIOHTTP1
import Testing

/// What a request can consume at most, and the cap that makes it so.
@Suite struct RequestBoundsTests {
    static let messages = #""messages":[{"role":"user","content":"hello"}]"#

    private func deployment(
        host: String = "127.0.0.1", context: Int? = 8192, provider: ProviderID? = nil
    ) throws -> Deployment {
        Deployment(
            id: DeploymentID(ULID(high: 2, low: 2)), model: try #require(ModelName("m")), wire: .openAI,
            endpoint: Endpoint(scheme: .https, host: host, port: 443), upstreamModel: "m",
            capabilities: [.chat, .completions, .embeddings], contextLimit: context, provider: provider,
            origin: .registered, registered: Instant(microseconds: 0))
    }

    private func bounds(
        _ body: String, _ operation: Inference.Operation = .chat, on deployment: Deployment
    ) throws -> RequestBounds {
        let bytes = ByteBuffer(string: body)
        return RequestBounds(
            try RequestReader.read(bytes, for: operation), bytes: bytes.readableBytes, operation: operation,
            deployment: deployment)
    }

    @Test("bytes bound the prompt, and the context bounds both")
    func prompt() throws {
        let body = #"{"model":"m",\#(Self.messages),"max_tokens":10}"#
        let ceiling = try bounds(body, on: deployment()).ceiling(cap: nil)
        #expect(ceiling.input == Int64(body.utf8.count))
        #expect(ceiling.output == 10)
        #expect(ceiling.requests == 1)
        let small = try bounds(body, on: deployment(context: 40)).ceiling(cap: nil)
        #expect(small.input == 40)
        let greedy = try bounds(#"{"model":"m",\#(Self.messages),"max_tokens":1e99}"#, on: deployment())
        #expect(greedy.cap(4096)?.tokens ?? 0 > 0, "a number that is no count caps nothing")
    }

    @Test("what was seen counts for no more than the caller's cap lets a model make")
    func seen() throws {
        let capped = try bounds(#"{"model":"m",\#(Self.messages),"max_tokens":10,"n":2}"#, on: deployment())
        #expect(capped.likelyOutput(seen: 19) == 19)
        #expect(capped.likelyOutput(seen: 25) == 20)
        let free = try bounds(#"{"model":"m",\#(Self.messages)}"#, on: deployment(context: nil))
        #expect(free.likelyOutput(seen: 25) == 25)
        let embedding = try bounds(#"{"model":"m","input":"x"}"#, .embeddings, on: deployment())
        #expect(embedding.likelyOutput(seen: 1) == 0)
    }

    struct Example: Sendable {
        let more: String
        let output: Int64
    }

    @Test(
        "every way to ask for more counts",
        arguments: [
            Example(more: #""max_tokens":10,"n":3"#, output: 30),
            Example(more: #""max_tokens":10,"max_completion_tokens":20"#, output: 20),
            Example(more: #""max_tokens":10,"n_predict":500"#, output: 500),
            Example(more: #""max_tokens":10,"n_cmpl":4"#, output: 40),
            Example(more: #""max_tokens":100000"#, output: 8192),
            Example(more: #""max_tokens":10,"n":9223372036854775807"#, output: 1 << 40),
        ])
    func more(_ example: Example) throws {
        let ceiling = try bounds(#"{"model":"m",\#(Self.messages),\#(example.more)}"#, on: deployment())
            .ceiling(cap: nil)
        #expect(ceiling.output == example.output)
    }

    @Test("each of several prompts is answered, and embeddings answer nothing")
    func prompts() throws {
        let several = #"{"model":"m","prompt":["a","b"],"max_tokens":10,"best_of":2}"#
        #expect(try bounds(several, .completions, on: deployment()).ceiling(cap: nil).output == 40)
        let tokens = #"{"model":"m","prompt":[1,2,3],"max_tokens":10}"#
        #expect(try bounds(tokens, .completions, on: deployment()).ceiling(cap: nil).output == 10)
        let inputs = try bounds(#"{"model":"m","input":["a","b"]}"#, .embeddings, on: deployment(context: 8))
        #expect(inputs.ceiling(cap: nil).input == 16)
        #expect(inputs.ceiling(cap: nil).output == 0)
        #expect(inputs.cap(4096) == nil)
    }

    @Test("a picture counts as its most, not by its bytes; a text beside it hides nowhere")
    func pictures() throws {
        let picture = String(repeating: "A", count: 100_000)
        func body(_ part: String) -> String {
            #"{"model":"m","messages":[{"role":"user","content":[\#(part)]}],"max_tokens":1}"#
        }
        let seen = body(#"{"type":"image_url","image_url":{"url":"data:image/png;base64,\#(picture)"}}"#)
        let input = try bounds(seen, on: deployment(context: nil)).ceiling(cap: nil).input
        #expect(input >= 6000 && input < 7000)
        let hidden = body(#"{"type":"text","text":"\#(picture)","image_url":""}"#)
        #expect(try bounds(hidden, on: deployment(context: nil)).ceiling(cap: nil).input > 100_000)
        let film = body(#"{"type":"video_url","video_url":{"url":"https://example.com/film"}}"#)
        #expect(try bounds(film, on: deployment()).ceiling(cap: nil).input == 8192)
    }

    @Test("limits of tokens per minute take what is likely, and the whole cap where there is one")
    func estimates() throws {
        let body = #"{"model":"m",\#(Self.messages)}"#
        let open = try bounds(body, on: deployment())
        #expect(open.estimate(cap: open.cap(4096)) == Int64(body.utf8.count / 4) + 512)
        let capped = #"{"model":"m",\#(Self.messages),"max_tokens":3000}"#
        #expect(try bounds(capped, on: deployment()).estimate(cap: nil) == Int64(capped.utf8.count / 4) + 3000)
    }

    // MARK: Caps

    struct Capped: Sendable {
        let host: String
        let isProvider: Bool
        let more: String
        let after: String?
    }

    static let provider = ProviderID(ULID(high: 3, low: 3))

    @Test(
        "an answer gets a cap where none can be relied on, by the member that its upstream obeys",
        arguments: [
            Capped(host: "127.0.0.1", isProvider: false, more: "", after: #"{"max_tokens":4096,"model":"m",M}"#),
            Capped(
                host: "api.openai.com", isProvider: true, more: "",
                after: #"{"max_completion_tokens":4096,"model":"m",M}"#),
            Capped(host: "api.groq.com", isProvider: true, more: #","max_completion_tokens":5"#, after: nil),
            Capped(
                host: "127.0.0.1", isProvider: false, more: #","max_completion_tokens":5"#,
                after: #"{"max_tokens":5,"model":"m",M,"max_completion_tokens":5}"#),
            Capped(host: "127.0.0.1", isProvider: false, more: #","max_tokens":5"#, after: nil),
            Capped(
                host: "127.0.0.1", isProvider: false, more: #","max_tokens":null"#,
                after: #"{"model":"m",M,"max_tokens":4096}"#),
            Capped(
                host: "127.0.0.1", isProvider: false, more: #","max_tokens":5,"n_predict":-1"#,
                after: #"{"model":"m",M,"max_tokens":5,"n_predict":5}"#),
            Capped(
                host: "127.0.0.1", isProvider: false, more: #","n_predict":7"#,
                after: #"{"max_tokens":7,"model":"m",M,"n_predict":7}"#),
        ])
    func caps(_ example: Capped) throws {
        let body = #"{"model":"m",\#(Self.messages)\#(example.more)}"#
        let deployment = try deployment(host: example.host, provider: example.isProvider ? Self.provider : nil)
        let facts = try RequestReader.read(ByteBuffer(string: body), for: .chat)
        let bounds = RequestBounds(facts, bytes: body.utf8.count, operation: .chat, deployment: deployment)
        let cap = bounds.cap(4096)
        let after = RequestRewrite.rewrite(
            ByteBuffer(string: body), facts: facts, upstreamModel: "m", cap: cap, allocator: ByteBufferAllocator())
        #expect(String(buffer: after) == example.after?.replacing("M", with: Self.messages) ?? body)
        // What goes out has the bound that was set aside for it.
        let again = try RequestReader.read(after, for: .chat)
        #expect(again.caps.allSatisfy { $0.tokens != nil })
        #expect(Int64(again.outputCap ?? .max) == bounds.ceiling(cap: cap).output)
    }

    @Test("a cap leaves room for the prompt in the context, and is never nothing")
    func room() throws {
        let body = #"{"model":"m",\#(Self.messages)}"#
        let roomy = try bounds(body, on: deployment(context: 4096)).cap(4096)?.tokens ?? 0
        #expect(roomy < 4096 && roomy > 3000)
        let long = #"{"model":"m","messages":[{"role":"user","content":"\#(String(repeating: "x", count: 9000))"}]}"#
        #expect(try bounds(long, on: deployment(context: 4096)).cap(4096)?.tokens == 256)
        #expect(try bounds(body, on: deployment(context: 100)).cap(4096)?.tokens == 100)
        #expect(try bounds(body, on: deployment(context: nil)).cap(50)?.tokens == 50)
    }

    @Test("without walls the bytes of a request pass as they are", arguments: [false, nil, true] as [Bool?])
    func untouched(needsCap: Bool?) async throws {
        let upstream = try await ScriptedUpstream.start([JournalOrderTests.whole])
        let admission = ScriptedAdmission()
        admission.needCap(needsCap)
        try await GatewayFixture.run(upstream: upstream.port, admission: admission) { gateway in
            #expect(try await gateway.chat().status == 200)
            let sent = try #require(upstream.seen.requests.first)
            #expect(sent.contains("\"max_tokens\":") == (needsCap != false))
        }
        try await upstream.stop()
    }

    @Test("rules that are read while the request waits decide whether it is capped")
    func decidedLater() async throws {
        let upstream = try await ScriptedUpstream.start([JournalOrderTests.whole])
        let admission = ScriptedAdmission()
        admission.needCap(nil)
        admission.say(.undecided)
        try await GatewayFixture.run(upstream: upstream.port, admission: admission) { gateway in
            async let answer = gateway.chat()
            try await eventually { admission.waiting == 1 }
            admission.needCap(false)
            admission.decide(admits: true)
            #expect(try await answer.status == 200)
            #expect(upstream.seen.requests.first?.contains("max_tokens") == false)
        }
        try await upstream.stop()
    }

    // MARK: Labels

    @Test("labels are read once each, from one header or several")
    func tags() throws {
        #expect(try RequestTags.read([:] as HTTPHeaders) == [])
        #expect(try RequestTags.read(["volery-tags": "a, b-1 ,a,c:d_e.f"] as HTTPHeaders) == ["a", "b-1", "c:d_e.f"])
        #expect(try RequestTags.read([("volery-tags", "a"), ("volery-tags", "b")].headers) == ["a", "b"])
    }

    @Test(
        "what is no list of labels is refused",
        arguments: ["", "a,", "a b", "ä", "a,,b", String(repeating: "x", count: 65), "1,2,3,4,5,6,7,8,9"])
    func badTags(text: String) async throws {
        #expect(throws: Problem.self) { try RequestTags.read(["volery-tags": text] as HTTPHeaders) }
        try await GatewayFixture.run(scheme: .builtIn) { gateway in
            let request = GatewayFixture.request(body: GatewayFixture.chat(), headers: "volery-tags: \(text)\r\n")
            let answer = try await gateway.send(request)
            #expect(answer.status == 400)
            #expect(answer.body.contains("VALIDATION_ERROR") && answer.body.contains("volery-tags"))
        }
    }
}

extension [(String, String)] {
    fileprivate var headers: HTTPHeaders { HTTPHeaders(self) }
}
