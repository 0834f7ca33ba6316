/// A condition did not come true in time.
package struct NeverHappened: Error, CustomStringConvertible {
    package let description: String
}

/// Waits until the condition holds: looks again whenever other tasks had a turn, and after a while each millisecond, so
/// that the tests beside this one have the processor.
/// - Parameter limit: real time, generous: it only bounds a test that fails.
/// - Throws: `NeverHappened` with the words of `what`.
package func eventually(
    _ what: String, within limit: Duration = .seconds(60), _ condition: () async throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + limit
    var looks = 0
    while try await !condition() {
        guard clock.now < deadline else { throw NeverHappened(description: "never happened: \(what)") }
        looks += 1
        if looks < 100 { await Task.yield() } else { try await clock.sleep(for: .milliseconds(1)) }
    }
}
