package import Kernel

/// Independent sequences of numbers from one seed: drawing more of one changes nothing in another, so that a run stays
/// alike when a part of it is taken out.
package struct RandomStreams: Sendable {
    private let seed: UInt64

    package init(seed: UInt64) { self.seed = seed }

    package func stream(_ name: String) -> SeededRandom {
        var hash = FNV()
        hash.combine(word: seed)
        hash.combine(name)
        return SeededRandom(seed: hash.value)
    }
}

/// FNV-1a, 64 bits: the same in every process.
package struct FNV: Sendable {
    package private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    package init() {}

    @inline(__always)
    package mutating func combine(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }

    package mutating func combine(_ text: String) {
        for byte in text.utf8 { combine(byte) }
        combine(0xFF)
    }

    package mutating func combine(word: UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) { combine(UInt8(truncatingIfNeeded: word >> shift)) }
    }
}

extension RandomSource {
    /// True in `count` of `of` draws.
    package func hits(_ count: UInt64 = 1, in of: UInt64) -> Bool { next(below: of) < count }

    package func integer(in range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next(below: UInt64(range.upperBound - range.lowerBound) + 1))
    }

    /// Both ends may be drawn; microseconds are the finest step.
    package func duration(in range: ClosedRange<Duration>) -> Duration {
        let span = (range.upperBound - range.lowerBound).microseconds
        return range.lowerBound + .microseconds(Int64(next(below: UInt64(span) + 1)))
    }

    /// - Parameter items: not empty.
    package func pick<Item>(_ items: [Item]) -> Item { items[Int(next(below: UInt64(items.count)))] }
}
