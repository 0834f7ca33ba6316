import Database

/// Words without spaces in one column.
enum WordList {
    static func text(_ words: [String]) -> String { words.joined(separator: " ") }

    /// - Parameter word: reads one; nil means that the column is damaged.
    static func words<Word>(in text: String, _ word: (String) -> Word?) throws(DatabaseFailure) -> [Word] {
        var words: [Word] = []
        for part in text.split(separator: " ") {
            guard let known = word(String(part)) else { throw .corrupt("a list holds no known \(Word.self)") }
            words.append(known)
        }
        return words
    }
}
