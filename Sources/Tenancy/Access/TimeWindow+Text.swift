import Kernel

extension TimeWindow {
    private static let dayNames = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

    /// Reads `mon-fri 08:00-18:00 +03:30`; days and offset may be missing, days may be a list: `mon,wed-fri`.
    package init?(_ text: String) {
        var words = text.lowercased().split(separator: " ").map(String.init)
        var days: Set<Int> = []
        if let first = words.first, first.first?.isLetter == true {
            guard let read = Self.days(first) else { return nil }
            days = read
            words.removeFirst()
        }
        guard (1...2).contains(words.count) else { return nil }
        let ends = words[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let from = Self.minutes(ends[0]), let until = Self.minutes(ends[1]) else { return nil }
        var offset = 0
        if words.count == 2 {
            guard let sign = words[1].first, sign == "+" || sign == "-",
                let minutes = Self.minutes(words[1].dropFirst())
            else { return nil }
            offset = sign == "-" ? -minutes : minutes
        }
        self.init(days: days, from: from, until: until, offset: offset)
    }

    /// Reads as the same window.
    package var text: String {
        var words: [String] = []
        if !days.isEmpty { words.append(days.sorted().map { Self.dayNames[$0 - 1] }.joined(separator: ",")) }
        words.append(Self.clock(from) + "-" + Self.clock(until))
        if offset != 0 { words.append((offset < 0 ? "-" : "+") + Self.clock(abs(offset))) }
        return words.joined(separator: " ")
    }

    private static func days(_ text: String) -> Set<Int>? {
        var days: Set<Int> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
            let numbers = ends.compactMap { dayNames.firstIndex(of: String($0)) }
            guard numbers.count == ends.count, (1...2).contains(numbers.count) else { return nil }
            var day = numbers[0]
            days.insert(day + 1)
            // From Friday to Monday is over the weekend.
            while day != numbers[numbers.count - 1] {
                day = (day + 1) % 7
                days.insert(day + 1)
            }
        }
        return days
    }

    /// `18:30`, up to `24:00`.
    private static func minutes(_ text: Substring) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.count == 2 && $0.allSatisfy { ("0"..."9").contains($0) } }),
            let hours = Int(parts[0]), let minutes = Int(parts[1]), minutes < 60, hours * 60 + minutes <= 1440
        else { return nil }
        return hours * 60 + minutes
    }

    private static func clock(_ minutes: Int) -> String {
        let two = { (number: Int) in (number < 10 ? "0" : "") + String(number) }
        return two(minutes / 60) + ":" + two(minutes % 60)
    }
}
