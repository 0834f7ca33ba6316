/// Which sequence numbers were seen. Small while they come in order.
struct SequenceRanges {
    /// Apart from each other, in order.
    private(set) var ranges: [ClosedRange<UInt64>] = []

    var last: UInt64 { ranges.last?.upperBound ?? 0 }

    /// The numbers that are missing between the lowest and the highest one.
    var gaps: [ClosedRange<UInt64>] {
        zip(ranges, ranges.dropFirst()).map { ($0.upperBound + 1)...($1.lowerBound - 1) }
    }

    /// - Returns: whether it is new.
    mutating func insert(_ number: UInt64) -> Bool {
        // The first range that does not end before it.
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < number { low = middle + 1 } else { high = middle }
        }
        if low < ranges.count, ranges[low].contains(number) { return false }
        let touchesLower = low > 0 && ranges[low - 1].upperBound == number - 1
        let touchesUpper = low < ranges.count && ranges[low].lowerBound - 1 == number
        switch (touchesLower, touchesUpper) {
        case (true, true):
            ranges[low - 1] = ranges[low - 1].lowerBound...ranges[low].upperBound
            ranges.remove(at: low)
        case (true, false): ranges[low - 1] = ranges[low - 1].lowerBound...number
        case (false, true): ranges[low] = number...ranges[low].upperBound
        case (false, false): ranges.insert(number...number, at: low)
        }
        return true
    }
}
