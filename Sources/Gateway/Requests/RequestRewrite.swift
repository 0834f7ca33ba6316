package import NIOCore

/// Makes the body that the upstream gets from the one that the caller sent: the model's name becomes the deployment's,
/// a stream is asked for its usage, and an answer without a cap gets one where it must have an upper bound. All other
/// bytes are passed on as they are.
package enum RequestRewrite {
    private struct Edit {
        enum Text {
            /// A string of JSON.
            case string(String)
            case fixed(StaticString)
            case number(Int)
            /// A member and the comma behind it.
            case member(RequestFacts.CapName, Int)

            /// Bytes, as a rule at most.
            var length: Int {
                switch self {
                case .string(let text): text.utf8.count + 2
                case .fixed(let text): text.utf8CodeUnitCount
                case .number: 20
                case .member: 48
                }
            }

            func write(to buffer: inout ByteBuffer) {
                switch self {
                case .string(let text): buffer.writeJSONString(text)
                case .fixed(let text): buffer.writeStaticString(text)
                case .number(let number): buffer.writeString(String(number))
                case .member(let name, let number): buffer.writeString("\"\(name.rawValue)\":\(number),")
                }
            }
        }

        let span: RequestFacts.Span
        let text: Text
    }

    /// - Parameter cap: what the answer is capped at; nil leaves that to the caller.
    package static func rewrite(
        _ body: ByteBuffer, facts: RequestFacts, upstreamModel: String, cap: OutputCap? = nil,
        allocator: ByteBufferAllocator
    ) -> ByteBuffer {
        let model = upstreamModel == facts.model ? nil : Edit(span: facts.modelSpan, text: .string(upstreamModel))
        let needsUsage = facts.isStream && !facts.wantsUsage
        guard needsUsage || cap != nil else {
            // As a rule it is the name alone.
            guard let model else { return body }
            var result = allocator.buffer(capacity: body.readableBytes + model.text.length)
            let end = apply(model, to: body, from: 0, into: &result)
            copy(end..<body.readableBytes, of: body, to: &result)
            return result
        }
        var edits = model.map { [$0] } ?? []
        if needsUsage { edits.append(usageEdit(facts)) }
        if let cap { edits += capEdits(cap, facts) }
        if edits.count > 1 { edits.sort { $0.span.lowerBound < $1.span.lowerBound } }
        return apply(edits, to: body, allocator: allocator)
    }

    /// A cap where the caller named none, and in the place of each member that caps nothing.
    private static func capEdits(_ cap: OutputCap, _ facts: RequestFacts) -> [Edit] {
        let idle = facts.caps.filter { $0.tokens == nil }
        var edits = idle.map { Edit(span: $0.span, text: .number(cap.tokens)) }
        if let name = cap.added {
            edits.append(Edit(span: facts.firstMember..<facts.firstMember, text: .member(name, cap.tokens)))
        }
        return edits
    }

    private static func usageEdit(_ facts: RequestFacts) -> Edit {
        switch facts.streamOptions {
        case .absent:
            Edit(
                span: facts.firstMember..<facts.firstMember,
                text: .fixed(#""stream_options":{"include_usage":true},"#))
        case .null(let span): Edit(span: span, text: .fixed(#"{"include_usage":true}"#))
        case .includeUsage(let span): Edit(span: span, text: .fixed("true"))
        case .object(let place, true): Edit(span: place..<place, text: .fixed(#""include_usage":true"#))
        case .object(let place, false): Edit(span: place..<place, text: .fixed(#""include_usage":true,"#))
        }
    }

    private static func apply(_ edits: [Edit], to body: ByteBuffer, allocator: ByteBufferAllocator) -> ByteBuffer {
        let growth = edits.reduce(0) { $0 + $1.text.length }
        var result = allocator.buffer(capacity: body.readableBytes + growth)
        var done = 0
        for edit in edits { done = apply(edit, to: body, from: done, into: &result) }
        copy(done..<body.readableBytes, of: body, to: &result)
        return result
    }

    /// Copies the body up to the edit, and writes that.
    /// - Parameter done: so much of the body is in the result.
    /// - Returns: how much is now.
    private static func apply(
        _ edit: Edit, to body: ByteBuffer, from done: Int, into result: inout ByteBuffer
    ) -> Int {
        copy(done..<edit.span.lowerBound, of: body, to: &result)
        edit.text.write(to: &result)
        return edit.span.upperBound
    }

    private static func copy(_ span: Range<Int>, of body: ByteBuffer, to result: inout ByteBuffer) {
        body.withUnsafeReadableBytes { bytes in
            _ = result.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[span]))
        }
    }
}
