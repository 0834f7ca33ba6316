/// Objects that must be gone when their run is over: a run that keeps something cannot be repeated a million times.
// SAFETY: used on the simulation's thread only.
final class LeakWatch: @unchecked Sendable {
    private struct Watched {
        let name: String
        weak var object: AnyObject?
    }

    private var watched: [Watched] = []

    func watch(_ object: AnyObject?, _ name: String) {
        if let object { watched.append(Watched(name: name, object: object)) }
    }

    /// What is still there, by name.
    var leaks: [String] { Set(watched.filter { $0.object != nil }.map(\.name)).sorted() }
}
