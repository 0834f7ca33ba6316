/// A test that cannot fail is a defect: each one must state an expectation.
struct TestRules: Sendable {
    private let test: Pattern
    private let expectation: Pattern

    init() throws {
        test = try Pattern(#"@Test\b"#)
        // A function named `expect…` or a contract's `verify…` holds the expectations of several tests.
        expectation = try Pattern(
            #"#(expect|require)\b|\bIssue\.record\(|\bconfirmation\(|\b(expect|verify)([A-Z]\w*)?\s*[({]"#)
    }

    func violations(in source: SwiftSource) -> [Violation] {
        guard source.isTest else { return [] }
        let starts = test.lineNumbers(in: source.code)
        return starts.enumerated().compactMap { index, line in
            let end = index + 1 < starts.count ? starts[index + 1] - 1 : source.code.count
            let body = source.code[(line - 1)..<end].joined(separator: "\n")
            guard !expectation.isFound(in: body) else { return nil }
            return Violation(
                rule: "test-without-expectation", path: source.path, line: line,
                reason: "this test passes whatever the code does; state what must hold with #expect or #require")
        }
    }
}
