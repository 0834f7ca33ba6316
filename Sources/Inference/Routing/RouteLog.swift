/// Takes decisions of requests that called nobody: those have no usage row to bring them. On the hot path: never waits,
/// and may drop what it has no room for.
package protocol RouteLog: Sendable {
    func note(_ route: StoredRoute)
}
