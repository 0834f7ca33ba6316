/// A condition did not come true in time.
package struct NeverHappened: Error, CustomStringConvertible {
    package let description: String
}

/// Waits until the condition holds, looking again whenever other tasks had a turn.
/// - Parameter limit: real time, generous: it only bounds a test that fails.
/// - Throws: `NeverHappened` with the words of `what`.
package func eventually(
    _ what: String, within limit: Duration = .seconds(20), _ condition: () async throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + limit
    while try await !condition() {
        guard clock.now < deadline else { throw NeverHappened(description: "never happened: \(what)") }
        await Task.yield()
    }
}
