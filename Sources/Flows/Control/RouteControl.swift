package import Kernel

/// Why requests went where they went.
package protocol RouteControl: Sendable {
    /// Throws `NOT_FOUND` also for a request that is not stored yet, and for one that the caller may not look at.
    func route(of request: RequestID) async throws -> RouteView
}
