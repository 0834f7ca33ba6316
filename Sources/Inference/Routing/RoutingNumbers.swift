extension Array {
    /// In place; equal elements stay in their order. Few are moved one by one, without a second list.
    mutating func sortStably(by areInOrder: (Element, Element) -> Bool) {
        guard count <= 16 else {
            self = stableSorted(by: areInOrder)
            return
        }
        for last in indices.dropFirst() {
            var place = last
            while place > 0, areInOrder(self[place], self[place - 1]) {
                swapAt(place, place - 1)
                place -= 1
            }
        }
    }

    /// Equal elements stay in their order, which `sort` does not promise.
    func stableSorted(by areInOrder: (Element, Element) -> Bool) -> [Element] {
        enumerated().sorted { left, right in
            if areInOrder(left.element, right.element) { return true }
            return !areInOrder(right.element, left.element) && left.offset < right.offset
        }.map(\.element)
    }
}

extension Double {
    /// To some eleven digits, and bit for bit the same everywhere: the libraries of two systems differ in the last one,
    /// and a decision that is replayed elsewhere must come out the same. For finite numbers above 0.
    var naturalLogarithm: Double {
        // m from 1 to 2, and ln m = 2 artanh((m - 1) / (m + 1)).
        let ratio = (significand - 1) / (significand + 1)
        let square = ratio * ratio
        var sum = 0.0
        for odd in stride(from: 23.0, through: 1, by: -2) { sum = sum * square + 1 / odd }
        return Double(exponent) * 0.693_147_180_559_945_3 + 2 * ratio * sum
    }
}
