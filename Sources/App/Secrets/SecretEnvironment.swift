import Kernel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The environment of this process, without leaving its secrets lying there: whoever may look at the process sees its
/// environment in `/proc`, and so does every tool that lists processes.
package enum SecretEnvironment {
    /// Variables whose values are overwritten where they are.
    package static let secrets = [
        "VOLERY_MASTER_KEY", "VOLERY_MASTER_KEY_PREVIOUS", "VOLERY_DATABASE", "VOLERY_API_KEY",
    ]

    /// As the process got it. The first use overwrites the secrets, so it belongs at the beginning of `main`.
    package static let values: [String: String] = take(overwriting: secrets)

    static func take(overwriting secrets: [String]) -> [String: String] {
        var values: [String: String] = [:]
        var entry = environment()
        while let line = entry?.pointee {
            let text = String(cString: line)
            if let sign = text.firstIndex(of: "=") {
                let name = String(text[..<sign])
                if values[name] == nil { values[name] = String(text[text.index(after: sign)...]) }
            }
            entry = entry?.advanced(by: 1)
        }
        for name in secrets {
            guard let value = getenv(name) else { continue }
            // In place: taking the variable out would leave its text in memory, and move the others under somebody's
            // hands.
            memset(value, 0x2A, strlen(value))
        }
        return values
    }

    private static func environment() -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? {
        #if canImport(Glibc)
            environ
        #else
            _NSGetEnviron().pointee
        #endif
    }
}
