package import Kernel
import Synchronization
package import Tenancy

/// A hash that anybody can undo, and that counts how often it was asked for.
package final class TransparentHasher: SecretHasher {
    private struct State { var verifications = 0 }

    private let state = Mutex(State())
    private let gate: Gate

    /// - Parameter gate: passed by every verification.
    package init(gate: Gate = Gate(isOpen: true)) { self.gate = gate }

    package var verifications: Int { state.withLock { $0.verifications } }

    package func hash(_ secret: Secret) async throws -> String { "plain:" + secret.reveal() }

    package func verify(_ secret: Secret, against hash: String) async throws -> Bool {
        state.withLock { $0.verifications += 1 }
        await gate.pass()
        try Task.checkCancellation()
        return hash == "plain:" + secret.reveal()
    }
}

/// Not keyed: the same digest in every run.
package struct PlainDigest: TokenDigest {
    package init() {}

    package func digest(of text: UnsafeRawBufferPointer) -> Digest256 {
        var words: [UInt64] = [1, 2, 3, 4]
        for byte in text {
            for index in words.indices { words[index] = (words[index] &* 0x100_0000_01B3) ^ UInt64(byte) }
        }
        return Digest256(words: (words[0], words[1], words[2], words[3]))
    }
}
