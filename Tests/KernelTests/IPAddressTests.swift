import Kernel
import Testing

@Suite struct IPAddressTests {
    @Test("an address is read as it is written again", arguments: ["192.0.2.7", "0.0.0.0", "2001:db8::7", "::1", "::"])
    func roundTrip(text: String) throws {
        #expect(try #require(IPAddress(text)).description == text)
    }

    @Test("an IPv4 address that came mapped into IPv6 is the IPv4 address")
    func mapped() throws {
        let mapped = try #require(IPAddress("::ffff:192.0.2.7"))
        #expect(mapped == IPAddress("192.0.2.7"))
        #expect(mapped.isV4)
    }

    @Test(
        "what is no address is refused",
        arguments: [
            "", "192.0.2", "192.0.2.256", "1.2.3.4:80", "[::1]", "fe80::1%eth0", "localhost", " 1.2.3.4", "01.2.3.4",
        ])
    func refused(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test(
        "a block holds the addresses that share its bits",
        arguments: [
            ("10.0.0.0/8", "10.255.3.4", true), ("10.0.0.0/8", "11.0.0.0", false), ("10.0.0.0/8", "::1", false),
            ("192.0.2.128/25", "192.0.2.200", true), ("192.0.2.128/25", "192.0.2.127", false),
            ("192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "192.0.2.8", false), ("0.0.0.0/0", "8.8.8.8", true),
            ("2001:db8::/33", "2001:db8:7fff::1", true), ("2001:db8::/33", "2001:db8:8000::1", false),
        ])
    func contains(block: String, address: String, isIn: Bool) throws {
        let block = try #require(AddressRange(block))
        #expect(block.contains(try #require(IPAddress(address))) == isIn)
        #expect(AddressRange(block.description) == block)
    }

    @Test(
        "a block with bits beyond its prefix is a typing error, and so is a prefix that is too long",
        arguments: ["10.0.0.1/8", "10.0.0.0/33", "2001:db8::1/64", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/-1", "/8"])
    func refusedBlocks(text: String) {
        #expect(AddressRange(text) == nil)
    }
}
