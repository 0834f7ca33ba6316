import Flows
import Inference
import Kernel
import Logging
import NIOCore
import NIOHTTP1

/// What comes back from the upstream, and how it reaches the client.
extension Exchange {
    func upstreamDidReceive(status: Int, headers: HeaderFields) {
        upstreamHeaders = headers
        upstreamStatus = status
        wait(atMost: core.limits.firstByteTimeout)
        if status == 200, facts.isStream {
            let type = headers.first(name: "content-type")?.lowercased() ?? ""
            guard type.hasPrefix("text/event-stream") else {
                return callFailed(
                    .broken, invalid("it is no event stream", ["content_type": "\(InferenceFlow.printable(type))"]))
            }
            // The head waits for the first good event: until then a failure is still a plain error answer.
            phase = .streaming
            // The answer before this one may still fill the connection.
            if isClientThere, !edge.channel.isWritable { clientWritabilityDidChange(to: false) }
            return
        }
        phase = .buffering
        buffered = nil
    }

    func upstreamDidReceive(_ bytes: ByteBuffer) {
        switch phase {
        case .streaming: forward(bytes)
        case .buffering:
            let limit = upstreamStatus == 200 ? core.limits.maximumAnswer : UpstreamRefusal.maximumBody
            guard (buffered?.readableBytes ?? 0) + bytes.readableBytes <= limit else {
                guard upstreamStatus == 200 else { return complete(ByteBuffer()) }
                return callFailed(.broken, invalid("it is larger than \(limit) bytes", [:]))
            }
            buffer(bytes)
            wait(atMost: core.limits.idleTimeout)
        case .receiving, .claiming, .counting, .queued, .admitting, .pausing, .opening, .calling, .settling, .ended:
            break
        }
    }

    /// As a rule the first bytes are the whole answer, and fill most of what they were read into.
    private func buffer(_ bytes: ByteBuffer) {
        if buffered == nil {
            guard bytes.storageCapacity > 4 * bytes.readableBytes else { return buffered = bytes }
            buffered = ByteBuffer()
        }
        buffered?.writeImmutableBuffer(bytes)
    }

    func upstreamDidFinishReading() {
        guard needsFlush else { return }
        needsFlush = false
        edge.writer?.flush()
    }

    func upstreamDidEnd() {
        call = nil
        switch phase {
        case .streaming where filter.isComplete: finish(.succeeded, problem: nil)
        case .streaming: callFailed(.broken, Problem(.upstreamTruncated))
        case .buffering: complete(buffered.take() ?? ByteBuffer())
        case .receiving, .claiming, .counting, .queued, .admitting, .pausing, .opening, .calling:
            callFailed(.broken, invalid("it ended without a head", [:]))
        case .settling, .ended: break
        }
    }

    func upstreamDidFail(_ failure: UpstreamFailure) {
        guard !retryAfterIdleClose(failure) else { return }
        noteUnsent()
        call = nil
        // The answer was whole; how the connection ended after it is nobody's concern.
        if case .streaming = phase, filter.isComplete { return finish(.succeeded, problem: nil) }
        switch failure {
        case .unreachable(let reason):
            log(.warning, "the upstream cannot be reached", ["reason": "\(reason)"])
            callFailed(.unreachable, Problem(.upstreamUnreachable, retryAfter: 1))
        case .connectTimedOut:
            callFailed(
                .unreachable,
                Problem(.upstreamUnreachable, "The connection could not be opened in time.", retryAfter: 1))
        case .closedBeforeHead:
            log(.warning, "the upstream closed the connection before it answered", [:])
            callFailed(.closed, Problem(.upstreamUnreachable, retryAfter: 1))
        case .closedMidway:
            log(.warning, "the upstream closed the connection in the middle of its answer", [:])
            callFailed(.closed, Problem(.upstreamTruncated))
        case .invalid(let reason):
            callFailed(.broken, invalid("it is not valid HTTP", ["reason": "\(reason)"]))
        }
    }

    private func invalid(_ reason: String, _ details: [String: String]) -> Problem {
        log(.warning, "the upstream's answer cannot be used: \(reason)", details)
        return Problem(.upstreamInvalidResponse)
    }

    // MARK: Whole answers

    private func complete(_ bytes: ByteBuffer) {
        let status = upstreamStatus
        guard status == 200 else {
            let now = core.flow.clock.now
            let problem = UpstreamRefusal.problem(status: status, headers: upstreamHeaders, body: bytes, at: now)
            // Its words are not logged: a refusal often repeats the prompt.
            log(
                status < 500 ? .info : .warning, "the upstream refused",
                ["upstream_status": "\(status)", "upstream_bytes": "\(bytes.readableBytes)"])
            guard let failure = UpstreamRefusal.failure(status: status, headers: upstreamHeaders, at: now) else {
                return end(for: problem)
            }
            return callFailed(failure, problem)
        }
        do throws(StreamFilter.Fault) {
            let answer = try filter.whole(bytes, allocator: loop.memory.allocator)
            noteFirstByte()
            finish(.succeeded, problem: nil, body: answer)
        } catch {
            switch error {
            case .upstreamError:
                log(.warning, "the upstream reported an error with status 200", [:])
                callFailed(.failing, Problem(.upstreamError))
            case .notJSON, .eventTooLong: callFailed(.broken, invalid("it is not JSON", [:]))
            }
        }
    }

    // MARK: Streams

    private func forward(_ bytes: ByteBuffer) {
        let now = loop.turn.now
        if !isPaused { wait(atMost: core.limits.idleTimeout, from: now) }
        var output = loop.memory.buffer(capacity: bytes.readableBytes + 64)
        output.moveWriterIndex(to: ResponseEncoder.chunkRoom)
        output.moveReaderIndex(to: ResponseEncoder.chunkRoom)
        var fault: StreamFilter.Fault?
        do throws(StreamFilter.Fault) {
            try filter.feed(bytes, into: &output)
        } catch {
            fault = error
        }
        if output.readableBytes > 0 {
            noteProgress(at: now)
            writeStream(consume output)
        } else {
            loop.memory.keep(output)
        }
        switch fault {
        case nil: break
        case .upstreamError:
            log(.warning, "the upstream reported an error inside the stream", [:])
            callFailed(.failing, Problem(.upstreamError))
        case .eventTooLong: callFailed(.broken, invalid("an event is too long", [:]))
        case .notJSON: callFailed(.broken, invalid("an event is not JSON", [:]))
        }
        // The usage is known and the end was said: what the upstream still sends has no meaning for the client.
        if filter.isComplete, !isEnded { upstreamStreamIsComplete() }
    }

    /// `[DONE]` came. The connection ends its answer in the next read, usually this one; the client need not wait for
    /// it, and a connection that does not end it is closed by the pool.
    private func upstreamStreamIsComplete() {
        if let connection = call as? UpstreamConnection { loop.pool.expectEnd(of: connection) }
        finish(.succeeded, problem: nil)
    }

    private func writeStream(_ output: consuming ByteBuffer) {
        if !isHeadWritten {
            noteFirstByte()
            // Nobody else is asked any more.
            letGoOfBody()
            writeHead(type: Self.streamType) { $0.add("cache-control", "no-cache") }
        }
        keyed?.add(output)
        guard let writer = edge.writer else { return }
        writer.add(output)
        needsFlush = true
    }
}
