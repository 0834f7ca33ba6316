import Cryptography
import Testing

@Suite struct RequestDigestTests {
    private func digest(_ target: String, _ body: [UInt8]) -> [UInt8] {
        body.withUnsafeBytes { SHA256RequestDigest().digest(target: target, body: $0) }
    }

    @Test("it is SHA-256 over target, a zero byte and body: a record outlives the version that made it")
    func known() {
        // printf 'POST /x\0{}' | sha256sum
        let expected: [UInt8] = [
            0xae, 0xe0, 0xb0, 0x4d, 0x9d, 0xb2, 0xa4, 0xda, 0x91, 0xe7, 0xb8, 0x3b, 0x04, 0x4d, 0xa7, 0x01,
            0x48, 0xfd, 0x5c, 0x24, 0x78, 0xe3, 0xa5, 0x43, 0xbd, 0xe7, 0x34, 0x74, 0x39, 0x4d, 0xed, 0xc6,
        ]
        #expect(digest("POST /x", Array("{}".utf8)) == expected)
    }

    @Test("what moves between target and body is another request")
    func boundary() {
        #expect(digest("POST /x", [0x61]) != digest("POST /xa", []))
        #expect(digest("POST /x", []).count == 32)
    }
}
