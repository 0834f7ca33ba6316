import Foundation
import Inference
import Kernel
import Testing

@Suite struct NamesAndEndpointsTests {
    @Test("an operation is equal to itself alone, and is found again")
    func operations() {
        #expect(Operation.allCases.map(\.place) == Array(Operation.allCases.indices))
        let table = Dictionary(uniqueKeysWithValues: Operation.allCases.map { ($0, $0.rawValue) })
        for operation in Operation.allCases {
            #expect(Operation.allCases.filter { $0 == operation }.count == 1 && table[operation] == operation.rawValue)
        }
    }

    @Test(
        "model names that people use are names",
        arguments: [
            "gpt-4o", "meta-llama/Llama-3.1-8B:free", "a", "org/model@v1.2_x", "0", String(repeating: "m", count: 128),
        ])
    func names(text: String) throws {
        #expect(ModelName(text)?.text == text)
        #expect(try ModelName(checking: text).text == text)
    }

    @Test(
        "what could break a path or a log is no model name",
        arguments: ["", "-a", "/a", ".a", "a b", "a\n", "é", "a?b", "a#b", "a\"b", String(repeating: "m", count: 129)])
    func notNames(text: String) {
        #expect(ModelName(text) == nil)
        #expect(throws: Problem.self) { try ModelName(checking: text) }
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([ModelName].self, from: JSONEncoder().encode([text]))
        }
    }

    @Test(
        "endpoints are read, and written in one form",
        arguments: [
            ("http://127.0.0.1:8081/v1", "http://127.0.0.1:8081"),
            ("http://127.0.0.1:8081/v1/", "http://127.0.0.1:8081"),
            ("HTTPS://api.openai.com/v1", "https://api.openai.com"),
            ("https://api.openai.com:443", "https://api.openai.com"),
            ("http://host:443/", "http://host:443"),
            ("http://host/openai/v1", "http://host/openai"),
            ("http://host/openai", "http://host/openai"),
            ("http://[::1]:9000/v1", "http://[::1]:9000"),
            ("http://[::1]", "http://[::1]"),
            ("builtin://echo", "builtin://echo"),
        ])
    func endpoints(text: String, written: String) throws {
        let endpoint = try Endpoint(checking: text)
        #expect(endpoint.description == written)
        #expect(Endpoint(written) == endpoint)
    }

    @Test(
        "what is no usable endpoint is refused",
        arguments: [
            "", "host", "ftp://host", "http://", "http:///path", "http://user@host", "http://u:p@host/v1",
            "http://host?x=1", "http://host#f", "http://host:0", "http://host:65536", "http://host:x",
            "http://host:", "http://ho st", "http://[::1", "http://[::1]x", "http://hôst",
        ])
    func notEndpoints(text: String) {
        #expect(Endpoint(text) == nil)
        #expect(throws: Problem.self) { try Endpoint(checking: text) }
    }

    @Test(
        "an address or a name tells whether it is on one's own network",
        arguments: [
            ("http://127.0.0.1:8080", true), ("http://10.1.2.3", true), ("http://172.31.0.9", true),
            ("http://192.168.7.7:1", true), ("http://[::1]:80", true), ("http://[fd00::7]", true),
            ("http://vllm", true),
            ("http://vllm.models.svc", true), ("http://a.models.svc.cluster.local", true), ("http://GPU.LOCAL", true),
            ("https://api.openai.com", false), ("http://172.32.0.9", false), ("http://8.8.8.8", false),
            ("http://[2001:db8::7]", false), ("http://local.example.org", false), ("http://svc.example", false),
        ])
    func ownNetworks(text: String, isOwn: Bool) throws {
        #expect(try Endpoint(checking: text).isOwnNetwork == isOwn)
    }
}
