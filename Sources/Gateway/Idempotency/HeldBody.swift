import NIOCore
import Synchronization

/// A request's body on its way to be hashed, which is then let go: a task that held it would do so as long as the
/// request runs.
final class HeldBody: Sendable {
    private let bytes: Mutex<ByteBuffer?>

    init(_ bytes: ByteBuffer) { self.bytes = Mutex(bytes) }

    /// What `hash` makes of it. Once.
    func consume<Value>(_ hash: (UnsafeRawBufferPointer) -> Value) -> Value {
        let taken = bytes.withLock { $0.take() } ?? ByteBuffer()
        return taken.withUnsafeReadableBytes(hash)
    }
}
