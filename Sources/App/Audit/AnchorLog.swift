import Kernel
import Tenancy

/// The content of the file of anchors: pure. A line is its words and, as the last one, a keyed hash over the line
/// before and itself, so that no line can be changed or taken out unseen. What was cut off at the end only takes
/// anchors away: those before it still count.
struct AnchorLog: Sendable, Equatable {
    enum Line: Sendable, Equatable {
        /// The first one.
        case begun(Instant)
        /// The file was gone, though it should have been there.
        case lost(Instant)
        case head(AuditHead, Instant)
    }

    /// The highest of each chain.
    private(set) var heads: [TenantID?: AuditHead] = [:]
    private(set) var begun: Instant?
    private(set) var losses: [Instant] = []
    /// Lines that are damaged, or that do not follow on the one before.
    private(set) var damaged = 0
    private(set) var lines = 0
    /// Bytes up to the end of the last whole line: an append that was cut short leaves more.
    private(set) var length = 0
    private var lastMark: [UInt8] = []

    init() {}

    init(_ bytes: [UInt8], sealer: some AuditSealer) {
        for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast() {
            take(String(decoding: line, as: UTF8.self), sealer)
            length += line.count + 1
        }
    }

    private mutating func take(_ text: String, _ sealer: some AuditSealer) {
        lines += 1
        let mark = text.lastIndex(of: " ").flatMap { Hexadecimal.bytes(text[text.index(after: $0)...]) } ?? []
        let words = text.lastIndex(of: " ").map { String(text[..<$0]) } ?? text
        let isWhole = constantTimeEqual(Self.mark(words, after: lastMark, sealer), mark)
        lastMark = mark
        guard isWhole, let line = Line(words), (lines == 1) == line.isFirst else { return damaged += 1 }
        note(line)
    }

    private mutating func note(_ line: Line) {
        switch line {
        case .begun(let time): begun = time
        case .lost(let time): losses.append(time)
        case .head(let head, _):
            if (heads[head.tenant]?.sequence ?? 0) < head.sequence { heads[head.tenant] = head }
        }
    }

    /// - Returns: the text to add to the file.
    mutating func append(_ line: Line, sealer: some AuditSealer) -> String {
        let words = line.text
        let mark = Self.mark(words, after: lastMark, sealer)
        let text = words + " " + Hexadecimal.text(mark) + "\n"
        lastMark = mark
        lines += 1
        length += text.utf8.count
        note(line)
        return text
    }

    /// The same with one line for each chain.
    func compacted(at now: Instant, sealer: some AuditSealer) -> (log: AnchorLog, text: String) {
        var log = AnchorLog()
        var text = log.append(.begun(begun ?? now), sealer: sealer)
        for loss in losses { text += log.append(.lost(loss), sealer: sealer) }
        let sorted = heads.values.sorted { ($0.tenant?.description ?? "") < ($1.tenant?.description ?? "") }
        for head in sorted { text += log.append(.head(head, now), sealer: sealer) }
        return (log, text)
    }

    private static func mark(_ words: String, after last: [UInt8], _ sealer: some AuditSealer) -> [UInt8] {
        sealer.seal(last + Array(words.utf8))
    }
}

extension AnchorLog.Line {
    private static let platform = "platform"

    var isFirst: Bool {
        if case .begun = self { true } else { false }
    }

    var text: String {
        switch self {
        case .begun(let time): "begun \(time.microseconds)"
        case .lost(let time): "lost \(time.microseconds)"
        case .head(let head, let time):
            "head \(head.tenant?.description ?? Self.platform) \(head.sequence) \(Hexadecimal.text(head.seal)) "
                + "\(time.microseconds)"
        }
    }

    init?(_ text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard let time = words.last.flatMap({ Int64($0) }).map(Instant.init(microseconds:)) else { return nil }
        switch (words[0], words.count) {
        case ("begun", 2): self = .begun(time)
        case ("lost", 2): self = .lost(time)
        case ("head", 5):
            let tenant = TenantID(words[1])
            guard tenant != nil || words[1] == Self.platform, let sequence = Int64(words[2]), sequence > 0,
                let seal = Hexadecimal.bytes(words[3])
            else { return nil }
            self = .head(AuditHead(tenant: tenant, sequence: sequence, seal: seal), time)
        default: return nil
        }
    }
}

enum Hexadecimal {
    static func text(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    static func bytes(_ text: some StringProtocol) -> [UInt8]? {
        let digits = text.utf8.map { Character(Unicode.Scalar($0)).hexDigitValue }
        guard !digits.isEmpty, digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = digits[index], let low = digits[index + 1] else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return bytes
    }
}
