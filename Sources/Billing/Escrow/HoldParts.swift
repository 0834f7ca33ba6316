import Kernel

/// The parts of a hold while they are put together. As many as there may be are written out at first: an array that is
/// grown costs three times as much as one that is written.
struct HoldParts {
    private var parts: [Hold.Part]
    private var count = 0
    /// Whether anything was set aside for one of them.
    private(set) var isGuarded = false

    init(atMost most: Int) {
        let none = Hold.Part(
            role: .budget, account: AccountID(ULID(high: 0, low: 0)), escrow: nil, amount: 0, asset: .tokens)
        switch most {
        case 0: parts = []
        case 1: parts = [none]
        case 2: parts = [none, none]
        case 3: parts = [none, none, none]
        case 4: parts = [none, none, none, none]
        default: parts = Array(repeating: none, count: most)
        }
    }

    mutating func append(_ part: Hold.Part) {
        parts[count] = part
        count += 1
        if part.escrow != nil { isGuarded = true }
    }

    mutating func made() -> [Hold.Part] {
        parts.removeLast(parts.count - count)
        return parts
    }
}
