/// The last invalidations, so that one does not undo the work of every verification under way, only of those that
/// it touches.
struct Invalidations {
    enum Extent {
        case prefix(String)
        case subjects(Set<Revocation.Subject>)
        case everything
    }

    private static let kept = 64
    private var latest: [Extent] = []

    mutating func add(_ extent: Extent) {
        if latest.count == Self.kept { latest.removeFirst() }
        latest.append(extent)
    }

    /// Whether one after the generation `since` touches the key, or may.
    func touch(_ key: APIKey, since: UInt64, now: UInt64) -> Bool {
        let count = now - since
        guard count <= UInt64(latest.count) else { return true }
        let owner = VerdictCache.Owner(key)
        return latest.suffix(Int(count)).contains { extent in
            switch extent {
            case .prefix(let prefix): prefix == key.prefix
            case .subjects(let subjects): owner.isAmong(subjects)
            case .everything: true
            }
        }
    }
}
