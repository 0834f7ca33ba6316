import CSupport
import Testing

@Suite struct ChecksumTests {
    @Test("CRC-32C gives the check value of its definition and the sums of RFC 3720")
    func knownValues() {
        #expect(sum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(sum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(sum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(sum((0..<32).map { UInt8($0) }) == 0x46DD_794E)
        #expect(sum([]) == 0)
    }

    @Test("the processor's instruction and the table agree, whatever the length, and a sum can be continued")
    func agreement() {
        let bytes = Support.bytes(1000)
        for count in 0...bytes.count {
            bytes.withUnsafeBytes { all in
                let whole = volery_crc32c(7, all.baseAddress, count)
                #expect(whole == volery_crc32c_table(7, all.baseAddress, count))
                let half = volery_crc32c(7, all.baseAddress, count / 2)
                #expect(whole == volery_crc32c(half, all.baseAddress.map { $0 + count / 2 }, count - count / 2))
            }
        }
    }

    private func sum(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { volery_crc32c(0, $0.baseAddress, $0.count) }
    }
}
