package import Kernel

/// Who waits at the wall. For each account those that came first are served first, so that a small request does not
/// pass a big one for ever; numbers are given out once for all accounts, so that the first of all waits for nobody.
extension EscrowBook {
    /// - Returns: false when a line is full; then it stands in none.
    package mutating func enter(_ number: UInt64, _ accounts: [AccountID]) -> Bool {
        guard accounts.allSatisfy({ (lines[$0]?.count ?? 0) < settings.longestLine }) else { return false }
        for account in accounts {
            var line = lines.removeValue(forKey: account) ?? []
            let place = line.lastIndex { $0 < number }.map { $0 + 1 } ?? 0
            line.insert(number, at: place)
            lines[account] = line
        }
        return true
    }

    /// - Returns: who is first now where it stood.
    package mutating func leave(_ number: UInt64, _ accounts: [AccountID]) -> [UInt64] {
        for account in accounts {
            guard var line = lines.removeValue(forKey: account) else { continue }
            if let place = line.firstIndex(of: number) { line.remove(at: place) }
            if !line.isEmpty { lines[account] = line }
        }
        return accounts.compactMap { lines[$0]?.first }
    }

    package var hasLines: Bool { !lines.isEmpty }

    package func firstInLine(for account: AccountID) -> [UInt64] { lines[account]?.first.map { [$0] } ?? [] }

    package var firstInEveryLine: [UInt64] { Set(lines.values.compactMap(\.first)).sorted() }

    func isBehind(_ account: AccountID, _ number: UInt64?) -> Bool {
        guard !lines.isEmpty, let first = lines[account]?.first else { return false }
        guard let number else { return true }
        return first < number
    }
}
