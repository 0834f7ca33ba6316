import NIOCore

/// Memory for what goes out, of one event loop in one direction: it is written into again once the socket has taken
/// what stood in it. Taken from the heap each time, a kibibyte costs more than writing an answer's head into it.
///
/// Nothing is shared by mistake: a buffer that somebody still holds is left to them, and the next one is made anew. Nor
/// does a small piece get a large buffer: where its reader is slow, it waits in the memory that it was given.
final class OutgoingMemory {
    /// Bytes; what is larger goes back to the heap.
    static let mostKept = 16 << 10
    /// So many times what is asked for a buffer may have at most.
    static let mostSpare = 2

    /// Buffers; as many as are on their way at once when a turn of the loop ends.
    static let mostSpares = LoopTurn.mostHeldBack

    /// The heap's. To ask a channel for its own, which is no other, takes as long as to take memory from it.
    let allocator = ByteBufferAllocator()
    /// What was kept last is the last.
    private var spares: [ByteBuffer] = []

    /// - Parameter capacity: bytes that it has room for, at least.
    func buffer(capacity: Int) -> ByteBuffer {
        // Looked at in place: a second reference would make it a copy.
        guard let room = spares.last?.storageCapacity, room <= Self.mostSpare * capacity, var bytes = spares.popLast()
        else { return allocator.buffer(capacity: capacity) }
        bytes.clear(minimumCapacity: capacity)
        return bytes
    }

    /// - Parameter bytes: on their way to the socket, or not needed, and not changed any more.
    func keep(_ bytes: ByteBuffer) {
        guard bytes.storageCapacity <= Self.mostKept else { return }
        if spares.count == Self.mostSpares { spares.removeLast() }
        spares.append(bytes)
    }
}
