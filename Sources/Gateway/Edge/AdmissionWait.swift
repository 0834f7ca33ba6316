import Flows

/// A request's wait for budgets and limits, which its exchange can end from the event loop.
final class AdmissionWait: Sendable {
    private let end: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (end, continuation) = AsyncStream.makeStream() }

    func cancel() { continuation.finish() }

    /// - Parameter work: is cancelled by `cancel()`.
    /// - Returns: what `work` came to, also when it was cancelled too late.
    func run(
        _ work: @escaping @Sendable () async throws -> AdmissionAnswer
    ) async -> Result<AdmissionAnswer, any Error> {
        await withTaskGroup(of: Result<AdmissionAnswer, any Error>?.self) { group in
            group.addTask {
                do {
                    return .success(try await work())
                } catch {
                    return .failure(error)
                }
            }
            group.addTask { [end] in
                for await _ in end {}
                return nil
            }
            var answer: Result<AdmissionAnswer, any Error> = .failure(CancellationError())
            for await result in group {
                if let result { answer = result }
                group.cancelAll()
            }
            return answer
        }
    }
}
