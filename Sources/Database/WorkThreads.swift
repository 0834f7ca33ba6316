/// Where an engine's blocking work runs: threads of its own (`ThreadPool`), or the one thread of a simulation.
package protocol WorkThreads: Sendable {
    /// Runs the work soon, not in the caller's call. Work that was handed over earlier begins no later where there is
    /// one thread.
    func run(_ work: @escaping @Sendable () -> Void)
}
