import NIOCore

/// Memory for what goes out. One for each event loop: it is written into again once the socket has taken what stood in
/// it. Taken from the heap each time, a kibibyte costs more than writing an answer's head into it.
///
/// Nothing is shared by mistake: a buffer that somebody still holds is left to them, and the next one is made anew.
final class OutgoingMemory {
    /// Bytes; what is larger goes back to the heap.
    private static let mostKept = 16 << 10
    private static let least = 1024

    private var spare: ByteBuffer?

    /// - Parameter capacity: bytes that it has room for, at least.
    func buffer(capacity: Int, _ allocator: ByteBufferAllocator) -> ByteBuffer {
        guard var bytes = spare else { return allocator.buffer(capacity: max(capacity, Self.least)) }
        spare = nil
        bytes.clear(minimumCapacity: max(capacity, Self.least))
        return bytes
    }

    /// - Parameter bytes: on their way to the socket, and not changed any more.
    func keep(_ bytes: ByteBuffer) {
        if bytes.storageCapacity <= Self.mostKept { spare = bytes }
    }
}
