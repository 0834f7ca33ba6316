import Runtimes

/// The binary in its other part: the guard of one child process.
package enum ChildGuard {
    /// - Returns: the status to exit with, or nil when the process is to be the ordinary program.
    package static func runIfAsked(arguments: [String]) -> Int32? { GuardEntry.runIfAsked(arguments: arguments) }
}
