import NIOCore

/// A message's header fields as they stood on the wire, looked up where one is asked for.
///
/// Most fields of most messages are never looked at: lines that are searched cost less than a table of texts, and one
/// array holds them all.
package struct HeaderFields: Sendable, Equatable {
    /// What `FieldReader` has checked: each line with its end.
    private let lines: [UInt8]
    /// Of the names: most that are asked for are not there, and need no search.
    private let names: NameMarks

    /// None at all.
    package init() { (lines, names) = ([], NameMarks()) }

    init(checked lines: [UInt8], names: NameMarks) { (self.lines, self.names) = (lines, names) }

    /// For messages that never were on a wire.
    init(_ fields: KeyValuePairs<String, String>) {
        var names = NameMarks()
        for (name, _) in fields { Array(name.utf8).withUnsafeBytes { names.note($0) } }
        self.init(checked: fields.flatMap { name, value in Array("\(name): \(value)\r\n".utf8) }, names: names)
    }

    package static func == (left: HeaderFields, right: HeaderFields) -> Bool { left.lines == right.lines }

    /// - Parameter name: in lower case.
    package func first(name: String) -> String? {
        var found: String?
        search(for: name) { value in
            found = String(decoding: value, as: UTF8.self)
            return false
        }
        return found
    }

    /// - Parameter name: in lower case.
    package func contains(name: String) -> Bool {
        var isThere = false
        search(for: name) { _ in
            isThere = true
            return false
        }
        return isThere
    }

    /// Every line's value, as it stands: lists are not taken apart.
    /// - Parameter name: in lower case.
    package subscript(name: String) -> [String] {
        var found: [String] = []
        search(for: name) { value in
            found.append(String(decoding: value, as: UTF8.self))
            return true
        }
        return found
    }

    /// Whether more than one line has the name.
    func repeats(_ name: StaticString) -> Bool {
        let name = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        guard names.mayRepeat(name) else { return false }
        var count = 0
        search(for: name) { _ in
            count += 1
            return count < 2
        }
        return count > 1
    }

    /// - Parameters:
    ///   - name: in lower case.
    ///   - body: gets the first line's value where it stands.
    /// - Returns: nil where there is no such line.
    func withFirst<Answer>(_ name: StaticString, _ body: (UnsafeRawBufferPointer) -> Answer) -> Answer? {
        var answer: Answer?
        search(for: UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)) { value in
            answer = body(value)
            return false
        }
        return answer
    }

    /// All fields in their order.
    func forEach(_ body: (_ name: String, _ value: String) -> Void) {
        lines.withUnsafeBytes { bytes in
            eachLine(of: bytes) { line in
                guard let colon = findByte(UInt8(ascii: ":"), in: line) else { return true }
                let name = UnsafeRawBufferPointer(rebasing: line[..<colon])
                body(
                    String(decoding: name, as: UTF8.self),
                    String(decoding: FieldText.value(of: line, after: colon), as: UTF8.self))
                return true
            }
        }
    }

    /// - Parameter body: gets each value; says whether to go on.
    private func search(for name: String, _ body: (UnsafeRawBufferPointer) -> Bool) {
        // Without a copy, which a name that has its bytes in one place does not need.
        let isDone: Void? = name.utf8.withContiguousStorageIfAvailable { search(for: UnsafeRawBufferPointer($0), body) }
        if isDone == nil { Array(name.utf8).withUnsafeBytes { search(for: $0, body) } }
    }

    private func search(for name: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Bool) {
        guard names.mayHave(name) else { return }
        lines.withUnsafeBytes { bytes in
            eachLine(of: bytes) { line in
                // The colon first: it alone tells most lines apart.
                guard line.count > name.count, line[name.count] == UInt8(ascii: ":"),
                    FieldText.isSame(UnsafeRawBufferPointer(rebasing: line[..<name.count]), lowercased: name)
                else { return true }
                return body(FieldText.value(of: line, after: name.count))
            }
        }
    }

    /// - Parameter body: gets each line without its end; says whether to go on.
    private func eachLine(of bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Bool) {
        var rest = bytes
        while let end = findByte(UInt8(ascii: "\n"), in: rest) {
            let hasReturn = end > 0 && rest[end - 1] == UInt8(ascii: "\r")
            guard body(UnsafeRawBufferPointer(rebasing: rest[..<(hasReturn ? end - 1 : end)])) else { return }
            rest = UnsafeRawBufferPointer(rebasing: rest[(end + 1)...])
        }
    }
}

/// One bit for each name, by its length and its first and last byte.
struct NameMarks: Sendable, Equatable {
    private var bits: UInt64 = 0
    /// Those that were noted more than once.
    private var repeated: UInt64 = 0

    /// - Parameter name: in any case, and not empty.
    mutating func note(_ name: UnsafeRawBufferPointer) {
        let bit = Self.bit(of: name)
        repeated |= bits & bit
        bits |= bit
    }

    /// - Returns: false only where no such name was noted twice.
    func mayRepeat(_ name: UnsafeRawBufferPointer) -> Bool { repeated & Self.bit(of: name) != 0 }

    /// - Returns: false only where no such name was noted.
    func mayHave(_ name: UnsafeRawBufferPointer) -> Bool { bits & Self.bit(of: name) != 0 }

    private static func bit(of name: UnsafeRawBufferPointer) -> UInt64 {
        guard let first = name.first, let last = name.last else { return 0 }
        // The bit that tells a letter's cases apart is left out.
        let mix = UInt64(first | 0x20) &+ UInt64(last | 0x20) &* 7 &+ UInt64(truncatingIfNeeded: name.count)
        return 1 << (mix & 63)
    }
}
