/// One place that breaks one rule.
struct Violation: Hashable, Sendable, CustomStringConvertible {
    let rule: String
    let path: String
    let line: Int
    let reason: String

    var description: String { "\(path):\(line): [\(rule)] \(reason)" }
}

/// A place where a rule may be broken, because the reason given outweighs it.
///
/// The list only shrinks: more than `count` violations fail, and so do fewer, until the count is lowered.
struct Exception: Sendable {
    let rule: String
    let path: String
    let count: Int
    let because: String
}

/// The violations that no exception covers, and a violation for each exception that is no longer needed in full.
func judge(_ violations: [Violation], exceptions: [Exception]) -> [Violation] {
    var remaining = violations
    var verdict: [Violation] = []
    for exception in exceptions {
        let covered = remaining.filter { $0.rule == exception.rule && $0.path == exception.path }
        remaining.removeAll { $0.rule == exception.rule && $0.path == exception.path }
        if covered.count > exception.count {
            verdict += covered
        } else if covered.count < exception.count {
            verdict.append(
                Violation(
                    rule: "stale-exception", path: exception.path, line: 1,
                    reason: "\(exception.rule) is listed \(exception.count) times and found \(covered.count) times: "
                        + "lower the count in Exceptions.swift, so that it cannot grow again"))
        }
    }
    return verdict + remaining
}
