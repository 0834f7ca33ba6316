import CSupport
import Kernel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file that only its owner may read.
struct SecretFile: Sendable, Equatable {
    let path: String

    enum Exposure: Sendable, Equatable {
        case none
        /// The permission bits.
        case readable(mode: UInt32)
        case ownedBySomebodyElse
    }

    /// Nil when there is no such file. PostgreSQL's rule for keys: ours and closed to group and others, or the
    /// administrator's and open to the group at most, as container platforms mount secrets.
    func exposure() throws(Problem) -> Exposure? {
        var (mode, owner): (UInt32, UInt32) = (0, 0)
        switch volery_file_access(path, &mode, &owner) {
        case 0: break
        case ENOENT, ENOTDIR: return nil
        case let code: throw DataFolder.problem("\(path) cannot be read", code)
        }
        let shown = mode & 0o777
        if owner == geteuid() { return shown & 0o077 == 0 ? Exposure.none : .readable(mode: shown) }
        guard owner == 0 else { return .ownedBySomebodyElse }
        return shown & 0o027 == 0 ? Exposure.none : .readable(mode: shown)
    }

    /// The file's text; nil when there is none.
    /// - Parameter checksExposure: false where somebody else vouches for it.
    /// - Throws: `CONFIGURATION_INVALID` when others can read it, `STORAGE_UNAVAILABLE` when we cannot.
    func read(checksExposure: Bool = true, parameter: String? = nil) throws(Problem) -> Secret? {
        if checksExposure {
            switch try exposure() {
            case nil: return nil
            case .none?: break
            case .readable(let mode)?:
                throw Problem(
                    .configurationInvalid, "Others can read \(path): its mode is \(String(mode, radix: 8)).",
                    parameter: parameter,
                    hint: "Close it with `chmod 600 \(path)`; then consider whether the key in it "
                        + "is still a secret.")
            case .ownedBySomebodyElse?:
                throw Problem(
                    .configurationInvalid, "\(path) belongs to another user, who can read and change it.",
                    parameter: parameter, hint: "Make it yours with `chown \"$(id -un)\" \(path) && chmod 600 \(path)`."
                )
            }
        }
        return try DataFolder.read(path).map(Secret.init)
    }
}
