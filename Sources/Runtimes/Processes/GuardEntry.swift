import CSupport

/// The binary run again as the guard of one child: `volery __guard PARENTPID COMMAND ARGUMENT…`.
///
/// The parent-death signal alone does not reach grandchildren, and Linux has no hook before exec; so the binary stands
/// between the platform and each child, and takes the whole tree down with either (ADR "processes are guarded").
package enum GuardEntry {
    package static let word = "__guard"

    /// Called first thing in `main`, before any thread exists.
    /// - Returns: the status to exit with, or nil when the process is to be the ordinary program.
    package static func runIfAsked(arguments: [String]) -> Int32? {
        guard arguments.count > 1, arguments[1] == word else { return nil }
        guard arguments.count > 3, let parent = Int32(arguments[2]) else { return 125 }
        var pointers: [UnsafeMutablePointer<CChar>?] = []
        for argument in arguments[3...] {
            let copy = UnsafeMutablePointer<CChar>.allocate(capacity: argument.utf8.count + 1)
            for (index, byte) in argument.utf8.enumerated() { copy[index] = CChar(bitPattern: byte) }
            copy[argument.utf8.count] = 0
            pointers.append(copy)
        }
        defer { for pointer in pointers { pointer?.deallocate() } }
        pointers.append(nil)
        return pointers.withUnsafeBufferPointer { volery_guard($0.baseAddress, parent) }
    }
}
