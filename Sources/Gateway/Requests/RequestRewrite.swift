package import NIOCore

/// Makes the body that the upstream gets from the one that the caller sent: the model's name becomes the deployment's,
/// a stream is asked for its usage, and an answer without a cap gets one where it must have an upper bound. All other
/// bytes are passed on as they are.
package enum RequestRewrite {
    private struct Edit {
        let span: RequestFacts.Span
        let text: ByteBuffer
    }

    /// - Parameter cap: what the answer is capped at; nil leaves that to the caller.
    package static func rewrite(
        _ body: ByteBuffer, facts: RequestFacts, upstreamModel: String, cap: OutputCap? = nil,
        allocator: ByteBufferAllocator
    ) -> ByteBuffer {
        var edits: [Edit] = []
        if upstreamModel != facts.model {
            var name = allocator.buffer(capacity: upstreamModel.utf8.count + 2)
            name.writeJSONString(upstreamModel)
            edits = [Edit(span: facts.modelSpan, text: name)]
        }
        if facts.isStream, !facts.wantsUsage { edits.append(usageEdit(facts)) }
        if let cap { edits += capEdits(cap, facts) }
        guard !edits.isEmpty else { return body }
        if edits.count > 1 { edits.sort { $0.span.lowerBound < $1.span.lowerBound } }
        return apply(edits, to: body, allocator: allocator)
    }

    /// A cap where the caller named none, and in the place of each member that caps nothing.
    private static func capEdits(_ cap: OutputCap, _ facts: RequestFacts) -> [Edit] {
        let idle = facts.caps.filter { $0.tokens == nil }
        var edits = idle.map { Edit(span: $0.span, text: ByteBuffer(string: String(cap.tokens))) }
        if let name = cap.added {
            edits.append(
                Edit(
                    span: facts.firstMember..<facts.firstMember,
                    text: ByteBuffer(string: "\"\(name.rawValue)\":\(cap.tokens),")))
        }
        return edits
    }

    private static func usageEdit(_ facts: RequestFacts) -> Edit {
        switch facts.streamOptions {
        case .absent:
            Edit(
                span: facts.firstMember..<facts.firstMember,
                text: ByteBuffer(staticString: #""stream_options":{"include_usage":true},"#))
        case .null(let span): Edit(span: span, text: ByteBuffer(staticString: #"{"include_usage":true}"#))
        case .includeUsage(let span): Edit(span: span, text: ByteBuffer(staticString: "true"))
        case .object(let place, true):
            Edit(span: place..<place, text: ByteBuffer(staticString: #""include_usage":true"#))
        case .object(let place, false):
            Edit(span: place..<place, text: ByteBuffer(staticString: #""include_usage":true,"#))
        }
    }

    private static func apply(_ edits: [Edit], to body: ByteBuffer, allocator: ByteBufferAllocator) -> ByteBuffer {
        let base = body.readerIndex
        let growth = edits.reduce(0) { $0 + $1.text.readableBytes }
        var result = allocator.buffer(capacity: body.readableBytes + growth)
        var done = 0
        for edit in edits {
            copy(done..<edit.span.lowerBound, of: body, base: base, to: &result)
            result.writeImmutableBuffer(edit.text)
            done = edit.span.upperBound
        }
        copy(done..<body.readableBytes, of: body, base: base, to: &result)
        return result
    }

    private static func copy(_ span: Range<Int>, of body: ByteBuffer, base: Int, to result: inout ByteBuffer) {
        if let slice = body.getSlice(at: base + span.lowerBound, length: span.count) {
            result.writeImmutableBuffer(slice)
        }
    }
}
