import Inference
import Kernel
import NIOCore
import Testing

@testable import Gateway

@Suite("Requests to upstreams, written")
struct RequestTemplateTests {
    static let endpoint = Endpoint(scheme: .http, host: "127.0.0.1", port: 8080, basePath: "/api")
    static let shape = UpstreamRequest.Shape(
        path: "/v1/chat/completions", accept: "application/json",
        extra: [.init(name: "x-title", value: "Volery")])

    @Test("what is shared comes first, then what is this request's own, then the body")
    func whole() throws {
        let template = try #require(RequestTemplate(Self.shape, to: Self.endpoint))
        let rendered = try #require(render(template, credential: .init(value: Secret("Bearer s"))))
        #expect(
            String(buffer: rendered.head) == """
                POST /api/v1/chat/completions HTTP/1.1\r
                host: 127.0.0.1:8080\r
                content-type: application/json\r
                accept: application/json\r
                user-agent: volery\r
                x-title: Volery\r
                content-length: 2\r
                x-request-id: req_1\r
                authorization: Bearer s\r
                \r
                {}
                """)
        #expect(rendered.rest == nil)
        // A provider may know its callers by another field, or by none.
        let named = try #require(render(template, credential: .init(name: "x-api-key", value: Secret("k"))))
        #expect(String(buffer: named.head).hasSuffix("\r\nx-api-key: k\r\n\r\n{}"))
        let none = try #require(render(template, credential: nil))
        #expect(String(buffer: none.head).hasSuffix("\r\nx-request-id: req_1\r\n\r\n{}"))
    }

    @Test("a long body follows its head without a copy")
    func longBody() throws {
        let template = try #require(RequestTemplate(Self.shape, to: Self.endpoint))
        let body = ByteBuffer(repeating: UInt8(ascii: "b"), count: 100_000)
        let rendered = try #require(render(template, body: body, credential: nil))
        #expect(rendered.rest == body)
        #expect(String(buffer: rendered.head).contains("\r\ncontent-length: 100000\r\n"))
        #expect(String(buffer: rendered.head).hasSuffix("\r\n\r\n"))
    }

    @Test("nothing that holds a line's end becomes a request", arguments: ["a\r\nb", "a\nb", "a\rb", "\u{0}"])
    func lineEnds(text: String) throws {
        let template = try #require(RequestTemplate(Self.shape, to: Self.endpoint))
        #expect(render(template, credential: .init(value: Secret(text))) == nil)
        #expect(render(template, credential: .init(name: text, value: Secret("k"))) == nil)
        #expect(render(template, id: text, credential: nil) == nil)
        #expect(RequestTemplate(.init(path: text, accept: "a"), to: Self.endpoint) == nil)
        #expect(RequestTemplate(.init(path: "/", accept: text), to: Self.endpoint) == nil)
        let extra = UpstreamRequest.Shape(path: "/", accept: "a", extra: [.init(name: "x", value: text)])
        #expect(RequestTemplate(extra, to: Self.endpoint) == nil)
    }

    private func render(
        _ template: RequestTemplate, id: String = "req_1", body: ByteBuffer = ByteBuffer(string: "{}"),
        credential: UpstreamRequest.Credential?
    ) -> Rendered? {
        let request = UpstreamRequest(shape: template.shape, requestID: id, credential: credential)
        return template.render(request, body: body, into: ByteBuffer())
            .map { Rendered(head: $0.head, rest: $0.rest) }
    }

    private struct Rendered: Equatable {
        let head: ByteBuffer
        let rest: ByteBuffer?
    }
}
