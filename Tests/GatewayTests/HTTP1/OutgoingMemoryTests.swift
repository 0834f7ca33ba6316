import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import Gateway

@Suite("Memory for what goes out")
struct OutgoingMemoryTests {
    private let allocator = ByteBufferAllocator()

    @Test("what nobody holds any more is written into again")
    func reuse() {
        let memory = OutgoingMemory()
        var first: ByteBuffer? = memory.buffer(capacity: 1024)
        first?.writeString("one")
        let place = first?.withVeryUnsafeBytes { $0.baseAddress }
        if let first { memory.keep(first) }
        first = nil
        let second = memory.buffer(capacity: 1000)
        #expect(second.readableBytes == 0)
        #expect(second.withVeryUnsafeBytes { $0.baseAddress } == place)
    }

    @Test("as much is kept as waits for the end of a turn, and nothing is given out twice")
    func turn() {
        let memory = OutgoingMemory()
        var held = (0..<2 * OutgoingMemory.mostSpares).map { _ in allocator.buffer(capacity: 1024) }
        let places = Set(held.map { $0.withVeryUnsafeBytes(\.baseAddress) })
        for bytes in held { memory.keep(bytes) }
        held = []
        let again = (0..<2 * OutgoingMemory.mostSpares).map { _ in memory.buffer(capacity: 1024) }
        let same = again.count { places.contains($0.withVeryUnsafeBytes(\.baseAddress)) }
        #expect(same >= OutgoingMemory.mostSpares)
        #expect(Set(again.map { $0.withVeryUnsafeBytes(\.baseAddress) }).count == again.count)
    }

    @Test("what somebody still holds stays as it is")
    func held() {
        let memory = OutgoingMemory()
        var held = memory.buffer(capacity: 64)
        held.writeString("mine")
        memory.keep(held)
        var other = memory.buffer(capacity: 64)
        other.writeString("other")
        #expect(String(buffer: held) == "mine")
        #expect(String(buffer: other) == "other")
    }

    @Test("two connections of one loop that write in turn get their own bytes")
    func turns() throws {
        let memory = OutgoingMemory()
        let encoders = [ResponseEncoder(memory: memory), ResponseEncoder(memory: memory)]
        let channels = encoders.map { EmbeddedChannel(handler: $0) }
        for round in 0..<50 {
            for (own, encoder) in encoders.enumerated() {
                encoder.begin(.ok, .http1_1, length: 3) { $0.add("x-own", "\(own) \(round)") }
                encoder.add(ByteBuffer(string: "a\(own)\n"))
                if (round + own) % 3 == 0 { encoder.flush() }
            }
        }
        for (own, channel) in channels.enumerated() {
            encoders[own].flush()
            var bytes = ByteBuffer()
            while var part = try channel.readOutbound(as: ByteBuffer.self) { bytes.writeBuffer(&part) }
            let expected = (0..<50).map { round in
                "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx-own: \(own) \(round)\r\n\r\na\(own)\n"
            }
            #expect(String(buffer: bytes) == expected.joined())
        }
    }

    @Test("a small piece gets no large buffer, and what is very large is not kept")
    func bounds() {
        let memory = OutgoingMemory()
        var large: ByteBuffer? = allocator.buffer(capacity: OutgoingMemory.mostKept)
        if let large { memory.keep(large) }
        large = nil
        let piece = memory.buffer(capacity: 264)
        #expect(piece.storageCapacity <= OutgoingMemory.mostSpare * 264)
        #expect(memory.buffer(capacity: 9000).storageCapacity == OutgoingMemory.mostKept)
        memory.keep(allocator.buffer(capacity: 2 * OutgoingMemory.mostKept))
        #expect(memory.buffer(capacity: OutgoingMemory.mostKept).storageCapacity == OutgoingMemory.mostKept)
    }
}
