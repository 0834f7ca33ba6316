import Kernel

/// An amount for each part of a hold. Those of the first four lie in it, since every request has some, and few have
/// more.
package struct PartAmounts: Sendable, Hashable {
    package let count: Int
    private var few = SIMD4<Int64>.zero
    private var rest: [Int64]

    package init(zeros count: Int) {
        self.count = count
        rest = count > 4 ? .zeros(count - 4) : []
    }

    package init(_ amounts: [Int64]) {
        self.init(zeros: amounts.count)
        for place in amounts.indices { self[place] = amounts[place] }
    }

    package subscript(place: Int) -> Int64 {
        get {
            precondition(place < count, "there is no such part")
            return place < 4 ? few[place] : rest[place - 4]
        }
        set {
            precondition(place < count, "there is no such part")
            if place < 4 { few[place] = newValue } else { rest[place - 4] = newValue }
        }
    }
}

extension PartAmounts: ExpressibleByArrayLiteral {
    package init(arrayLiteral amounts: Int64...) { self.init(amounts) }
}
