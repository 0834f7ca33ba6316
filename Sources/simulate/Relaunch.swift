import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Swift seeds its hashing anew in each process, and with it the order of dictionaries and sets. A seed has to mean the
/// same in every process.
enum Relaunch {
    static let variable = "SWIFT_DETERMINISTIC_HASHING"

    static var executable: String {
        let path = "/proc/self/exe"
        return (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) ?? CommandLine.arguments[0]
    }

    /// Becomes this program again, with the variable set, where it is not.
    static func withStableHashing() throws {
        guard ProcessInfo.processInfo.environment[variable] == nil else { return }
        setenv(variable, "1", 1)
        var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) }
        arguments.append(nil)
        execv(executable, arguments)
        throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .ENOEXEC)
    }
}
