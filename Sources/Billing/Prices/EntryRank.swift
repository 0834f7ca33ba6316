/// How closely a pattern names a model: its own name before the longer beginning before the shorter.
struct ModelRank: Comparable {
    private let length: Int

    /// Nil where it does not name the model.
    init?(of pattern: String, for model: String) {
        if pattern.utf8.last == UInt8(ascii: "*") {
            let beginning = pattern.dropLast()
            guard model.hasPrefix(beginning) else { return nil }
            length = beginning.utf8.count
        } else {
            guard pattern == model else { return nil }
            length = .max
        }
    }

    static func < (left: ModelRank, right: ModelRank) -> Bool { left.length < right.length }
}

/// How closely an entry fits what is priced: by its model, then by provider, operation, size and steps; of equals the
/// one for longer prompts comes first.
struct EntryRank: Comparable {
    let model: ModelRank
    private let namesProvider, namesOperation, namesSize: Bool
    private let steps: Int
    private let above: Int64

    /// Nil where it does not fit.
    init?(of entry: PriceEntry, for subject: PricedSubject) {
        guard let model = ModelRank(of: entry.model, for: subject.model),
            entry.provider == nil || entry.provider == subject.provider,
            entry.operation == nil || entry.operation == subject.operation,
            entry.size == nil || entry.size == subject.size
        else { return nil }
        if let most = entry.steps {
            guard let steps = subject.steps, steps <= most else { return nil }
        }
        self.model = model
        namesProvider = entry.provider != nil
        namesOperation = entry.operation != nil
        namesSize = entry.size != nil
        steps = entry.steps ?? .max
        above = entry.above
    }

    static func < (left: EntryRank, right: EntryRank) -> Bool {
        if left.model != right.model { return left.model < right.model }
        if left.namesProvider != right.namesProvider { return right.namesProvider }
        if left.namesOperation != right.namesOperation { return right.namesOperation }
        if left.namesSize != right.namesSize { return right.namesSize }
        // The fewest steps that still cover it fit best.
        if left.steps != right.steps { return left.steps > right.steps }
        return left.above < right.above
    }
}
