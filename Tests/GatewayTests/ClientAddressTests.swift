import Kernel
import NIOHTTP1
import Testing

@testable import Gateway

@Suite struct ClientAddressTests {
    private let proxies = ["10.0.0.0/8", "2001:db8:ffff::/48"].compactMap { AddressRange($0) }

    private func client(peer: String?, _ lines: String...) -> String? {
        let headers = HTTPHeaders(lines.map { ("X-Forwarded-For", $0) })
        return ClientAddress(trusting: proxies).client(peer: peer.flatMap { IPAddress($0) }, headers: headers)?
            .description
    }

    @Test("nobody is believed who is no trusted proxy")
    func untrusted() {
        #expect(client(peer: "192.0.2.1", "198.51.100.1") == "192.0.2.1")
        #expect(client(peer: nil, "198.51.100.1") == nil)
        let nobody = ClientAddress()
        let headers: HTTPHeaders = ["x-forwarded-for": "198.51.100.1"]
        #expect(nobody.client(peer: IPAddress("10.0.0.1"), headers: headers) == IPAddress("10.0.0.1"))
    }

    @Test("the first from the right that is no proxy is the client, over all lines of the header")
    func rightmost() {
        #expect(client(peer: "10.0.0.1", "198.51.100.1") == "198.51.100.1")
        #expect(client(peer: "10.0.0.1", "203.0.113.9, 198.51.100.1, 10.1.1.1") == "198.51.100.1")
        #expect(client(peer: "10.0.0.1", "203.0.113.9", "198.51.100.1 ,\t10.1.1.1") == "198.51.100.1")
        #expect(client(peer: "2001:db8:ffff::1", "2001:db8::7") == "2001:db8::7")
        #expect(client(peer: "10.0.0.1", "10.3.3.3, 10.2.2.2") == "10.3.3.3")
    }

    @Test("a proxy that names nobody is itself the client")
    func unnamed() {
        #expect(client(peer: "10.0.0.1") == "10.0.0.1")
        #expect(client(peer: "10.0.0.1", "") == "10.0.0.1")
        #expect(client(peer: "10.0.0.1", "198.51.100.1, unknown") == "10.0.0.1")
        #expect(client(peer: "10.0.0.1", "198.51.100.1, _hidden, 10.2.2.2") == "10.2.2.2")
    }

    @Test("ports and brackets are no part of an address; a mapped IPv4 address is that address")
    func forms() {
        #expect(client(peer: "10.0.0.1", "198.51.100.1:4711") == "198.51.100.1")
        #expect(client(peer: "10.0.0.1", "[2001:db8::7]:4711") == "2001:db8::7")
        #expect(client(peer: "::ffff:10.0.0.1", "::ffff:198.51.100.1") == "198.51.100.1")
    }

    @Test("what a client says under the control plane's header is replaced, or taken away")
    func noted() {
        var headers: HTTPHeaders = ["volery-client-address": "127.0.0.1", "Volery-Client-Address": "::1"]
        ClientAddress().note(IPAddress("192.0.2.1"), in: &headers)
        #expect(headers["volery-client-address"] == ["192.0.2.1"])
        ClientAddress().note(nil, in: &headers)
        #expect(headers["volery-client-address"].isEmpty)
    }
}
