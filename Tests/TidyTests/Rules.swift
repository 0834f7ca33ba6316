/// Every rule that looks at one source at a time.
struct Rules: Sendable {
    private let bans: [Ban]
    private let text: TextRules
    private let walls: WallRules
    private let tests: TestRules
    private let stores: ScopedStores

    init() throws {
        bans = try makeBans()
        text = try TextRules()
        walls = try WallRules()
        tests = try TestRules()
        stores = try ScopedStores()
    }

    func violations(in source: SwiftSource) throws -> [Violation] {
        try bans.flatMap { $0.violations(in: source) }
            + text.violations(in: source)
            + walls.violations(in: source)
            + tests.violations(in: source)
            + stores.violations(in: source)
            + Shape.violations(in: source)
    }
}
