extension Collection where Element: Sendable {
    /// Works on all of them, so many at a time.
    /// - Throws: what the first that failed threw. Those that had begun end before, and no other begins.
    func forEach(atOnce most: Int, _ work: @escaping @Sendable (Element) async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var failure: (any Error)?
            var rest = self[...]
            var running = 0
            while running > 0 || (failure == nil && !rest.isEmpty) {
                if failure == nil, running < most, let next = rest.popFirst() {
                    group.addTask { try await work(next) }
                    running += 1
                    continue
                }
                do {
                    try await group.next()
                } catch {
                    failure = failure ?? error
                }
                running -= 1
            }
            if let failure { throw failure }
        }
    }
}
