import FoundationEssentials
import Gateway
import Glibc
import Inference
import NIOCore
import NIOPosix
import Tenancy
import Testing

/// Two planes on one connection, and clients that are slow, gone or wrong.
@Suite struct ConnectionTests {
    @Test("hot and cold requests alternate on one connection, also pipelined")
    func alternates() async throws {
        try await GatewayFixture.run(scheme: .builtIn) { gateway in
            let hot = GatewayFixture.request(body: GatewayFixture.chat(), closes: false)
            let cold = GatewayFixture.request("GET", "/cold", closes: false)
            let last = GatewayFixture.request("GET", "/cold")
            let text = try await RawClient.connect(to: gateway.port).send(hot + cold + hot + cold + cold + hot + last)
            #expect(text.components(separatedBy: "HTTP/1.1 200").count == 8)
            #expect(text.components(separatedBy: "cold answer").count == 5)
            #expect(text.components(separatedBy: "chat.completion").count == 4)
        }
    }

    @Test("a large upload goes through to the control plane, and a chat follows on the same connection")
    func uploads() async throws {
        try await GatewayFixture.run(scheme: .builtIn) { gateway in
            let body = String(repeating: "x", count: 8 << 20)
            let upload = GatewayFixture.request("POST", "/upload", body: body, closes: false)
            let text = try await RawClient.connect(to: gateway.port).send(
                upload + GatewayFixture.request(body: GatewayFixture.chat()))
            #expect(text.contains("8388608 bytes"))
            #expect(text.contains("chat.completion"))
        }
    }

    @Test("an upstream that is silent is closed when its client leaves")
    func closesSilentUpstream() async throws {
        let upstream = try await ScriptedUpstream.start([.silence])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let client = try await RawClient.connect(to: gateway.port)
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { _ = try await client.send(GatewayFixture.request(body: GatewayFixture.chat())) }
                try await eventually { upstream.seen.requests.count == 1 }
                tasks.cancelAll()
            }
            try await eventually { !upstream.seen.closed.isEmpty }
            #expect(upstream.seen.closed.count == 1)
            let record = try #require(try await gateway.records().first)
            #expect(record.status == .clientClosed)
            #expect(record.httpStatus == 0)
        }
        try await upstream.stop()
    }

    @Test("a client that stops reading pauses the upstream, and memory stays bounded")
    func backpressure() async throws {
        let event = "data: {\"choices\":[{\"delta\":{\"content\":\"\(String(repeating: "y", count: 16000))\"}}]}\n\n"
        let upstream = try await ScriptedUpstream.start(
            [ScriptedUpstream.streamHead] + Array(repeating: ScriptedUpstream.chunk(event), count: 4000))
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let client = try await RawClient.connect(to: gateway.port)
            let request = GatewayFixture.request(body: GatewayFixture.chat(#","stream":true"#))
            try await client.hold(request, until: { $0.contains("yyy") }) {
                var before = -1
                // Steady twice in a row: the sockets' buffers are full and nobody reads.
                try await eventually {
                    let now = upstream.seen.bytesWritten
                    defer { before = now }
                    return now == before
                }
                let steady = upstream.seen.bytesWritten
                #expect(steady < 32 << 20)
                #expect(steady > 0)
            }
            try await eventually { !upstream.seen.closed.isEmpty }
            #expect(upstream.seen.closed.count == 1)
        }
        try await upstream.stop()
    }

    @Test("a large answer reaches a slow client whole, also when the connection closes after it")
    func largeAnswer() async throws {
        let text = String(repeating: "w", count: 8 << 20)
        let upstream = try await ScriptedUpstream.start([
            ScriptedUpstream.json(#"{"choices":[{"message":{"content":"\#(text)"}}]}"#)
        ])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let answer = try await gateway.chat()
            #expect(answer.status == 200)
            #expect(answer.body.utf8.count == Int(answer.headers["content-length"] ?? ""))
            #expect(answer.body.utf8.count > 8 << 20)
        }
        try await upstream.stop()
    }

    @Test("a long answer that is read slowly is not cut off, also when a short one came behind it")
    func slowReader() async throws {
        let text = String(repeating: "w", count: 8 << 20)
        let upstream = try await ScriptedUpstream.start([
            ScriptedUpstream.json(#"{"choices":[{"message":{"content":"\#(text)"}}]}"#)
        ])
        var limits = GatewayLimits()
        limits.keepAliveTimeout = .seconds(1)
        try await GatewayFixture.run(upstream: upstream.port, limits: limits) { gateway in
            let long = GatewayFixture.request(body: GatewayFixture.chat(), closes: false)
            let short = GatewayFixture.request("GET", "/v1/models", closes: false)
            let client = try await RawClient.connect(to: gateway.port)
            // It reads nothing for longer than an idle connection may stay, and is closed as one in the end.
            let both = try await client.converse(long + short, until: { !$0.isEmpty }, then: "") {
                try await ContinuousClock().sleep(for: .seconds(4))
            }
            #expect(both.components(separatedBy: "HTTP/1.1 200").count == 3)
            #expect(both.utf8.count > 8 << 20)
            #expect(both.suffix(2000).contains(#""object":"list""#))
        }
        try await upstream.stop()
    }

    @Test("a client's reset ends the upstream's call and leaves a row")
    func clientReset() async throws {
        let upstream = try await ScriptedUpstream.start([.silence])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: gateway.port).get()
            try await channel.writeAndFlush(
                ByteBuffer(string: GatewayFixture.request(body: GatewayFixture.chat())))
            try await eventually { upstream.seen.requests.count == 1 }
            let options = try #require(channel as? any SocketOptionProvider)
            try await options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
            try await channel.close()
            try await eventually { !upstream.seen.closed.isEmpty }
            #expect(upstream.seen.closed.count == 1)
            #expect(try await gateway.records().first?.status == .clientClosed)
        }
        try await upstream.stop()
    }

    @Test("a head that does not come in time is answered with 408")
    func slowHead() async throws {
        var limits = GatewayLimits()
        limits.headTimeout = .seconds(3)
        try await GatewayFixture.run(scheme: .builtIn, limits: limits) { gateway in
            let answer = try await gateway.send("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n")
            #expect(answer.status == 408)
            #expect(answer.body.contains("REQUEST_TIMEOUT"))
        }
    }

    @Test("a body that does not come in time is answered with 408")
    func slowBody() async throws {
        var limits = GatewayLimits()
        limits.bodyTimeout = .seconds(1)
        try await GatewayFixture.run(scheme: .builtIn, limits: limits) { gateway in
            let request = GatewayFixture.request(body: GatewayFixture.chat())
            let answer = try await gateway.send(String(request.dropLast(5)))
            #expect(answer.status == 408)
        }
    }

    @Test("requests beyond the bound are refused with Retry-After")
    func overload() async throws {
        let upstream = try await ScriptedUpstream.start([.silence])
        var limits = GatewayLimits()
        limits.maximumRequests = 1
        limits.firstByteTimeout = .seconds(3)
        try await GatewayFixture.run(upstream: upstream.port, limits: limits) { gateway in
            try await withThrowingTaskGroup(of: Int.self) { tasks in
                for _ in 0..<2 { tasks.addTask { try await gateway.chat().status } }
                let first = try await tasks.next()
                let second = try await tasks.next()
                #expect(first == 503)
                #expect(second == 504)
            }
            #expect(gateway.core.requestsInFlight == 0)
            #expect(gateway.core.bodyBytesHeld == 0)
        }
        try await upstream.stop()
    }

    @Test("no work is taken while usage cannot be recorded")
    func journalFirst() async throws {
        try await GatewayFixture.run(scheme: .builtIn) { gateway in
            gateway.journal.refuseWork()
            let answer = try await gateway.chat()
            #expect(answer.status == 503)
            #expect(answer.body.contains("JOURNAL_UNAVAILABLE"))
        }
    }

    @Test("a key in use goes on while the store is away, and the store is tried beside the requests")
    func storeAway() async throws {
        let store = OneKeyStore()
        var limits = KeyVerifier.Limits()
        limits.freshness = .milliseconds(1)
        limits.retry = .milliseconds(1)
        try await GatewayFixture.run(scheme: .builtIn, keys: store, keyLimits: limits) { gateway in
            let first = try await gateway.chat()
            #expect(first.status == 200)
            store.reach.goAway()
            for _ in 0..<10 {
                let answer = try await gateway.chat()
                #expect(answer.status == 200)
            }
            try await eventually { store.reach.asked > 2 }
            #expect(store.reach.asked > 2)
            let stranger = try await gateway.send(
                GatewayFixture.request(
                    body: GatewayFixture.chat(), token: "vk_cccccccccc_" + String(repeating: "b", count: 40)))
            #expect(stranger.status == 503)
            #expect(stranger.body.contains("STORAGE_UNAVAILABLE"))
        }
    }

    @Test("a request with a proven key does not wait for a store that hangs")
    func storeHangs() async throws {
        let store = OneKeyStore()
        var limits = KeyVerifier.Limits()
        limits.freshness = .milliseconds(1)
        limits.wait = .milliseconds(20)
        try await GatewayFixture.run(scheme: .builtIn, keys: store, keyLimits: limits) { gateway in
            let first = try await gateway.chat()
            #expect(first.status == 200)
            store.reach.fallSilent()
            // Answered although no look-up ends before `speak`.
            for _ in 0..<3 {
                let answer = try await gateway.chat()
                #expect(answer.status == 200)
            }
            store.reach.speak()
            let last = try await gateway.chat()
            #expect(last.status == 200)
        }
    }

    @Test("a stream that is cut by a shutdown says so")
    func shutdown() async throws {
        let event = "data: {\"choices\":[{\"delta\":{\"content\":\"z\"}}]}\n\n"
        let upstream = try await ScriptedUpstream.start([
            ScriptedUpstream.streamHead, ScriptedUpstream.chunk(event), .silence,
        ])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            async let answer = gateway.chat(#","stream":true"#)
            try await eventually { gateway.core.requestsInFlight == 1 && upstream.seen.bytesWritten > 100 }
            gateway.core.beginDraining()
            #expect(try await gateway.chat().status == 503)
            await gateway.core.endAll()
            #expect(try await answer.body.contains("SHUTTING_DOWN"))
        }
        try await upstream.stop()
    }
}
