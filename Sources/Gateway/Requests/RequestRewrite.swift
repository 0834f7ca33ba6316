package import NIOCore

/// Makes the body that the upstream gets from the one that the caller sent: the model's name becomes the deployment's,
/// and a stream is asked for its usage. All other bytes are passed on as they are.
package enum RequestRewrite {
    private struct Edit {
        let span: RequestFacts.Span
        let text: ByteBuffer
    }

    package static func rewrite(
        _ body: ByteBuffer, facts: RequestFacts, upstreamModel: String, allocator: ByteBufferAllocator
    ) -> ByteBuffer {
        var edits: [Edit] = []
        if upstreamModel != facts.model {
            var name = allocator.buffer(capacity: upstreamModel.utf8.count + 2)
            name.writeJSONString(upstreamModel)
            edits.append(Edit(span: facts.modelSpan, text: name))
        }
        if facts.isStream, !facts.wantsUsage { edits.append(usageEdit(facts)) }
        guard !edits.isEmpty else { return body }
        edits.sort { $0.span.lowerBound < $1.span.lowerBound }
        return apply(edits, to: body, allocator: allocator)
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
