import Foundation
import Kernel
import TestKit

/// Holds threads until it is released.
final class Stall: Sendable {
    private struct State {
        var holding = 0
        var most = 0
    }

    private let state = Shared(State())
    private let door = NSCondition()
    private let isOpen = Shared(false)

    var holding: Int { state.value.holding }
    var most: Int { state.value.most }

    func hold() {
        state.update {
            $0.holding += 1
            $0.most = max($0.most, $0.holding)
        }
        door.lock()
        while !isOpen.value { door.wait() }
        door.unlock()
        state.update { $0.holding -= 1 }
    }

    func release() {
        door.lock()
        isOpen.update { $0 = true }
        door.broadcast()
        door.unlock()
    }
}

/// Gives the words that it was made with, over and over.
final class FixedRandom: RandomSource {
    private let words: [UInt64]
    private let position = Shared(0)

    init(words: [UInt64]) { self.words = words }

    func next() -> UInt64 {
        defer { position.update { $0 += 1 } }
        return words[position.value % words.count]
    }
}
