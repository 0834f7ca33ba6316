import CPostgres
import Kernel

/// PostgreSQL's client library, which is loaded when somebody wants a PostgreSQL database.
package enum PostgresLibrary {
    /// - Throws: `Problem(.configurationInvalid)` where the machine does not have it.
    static func load() throws(Problem) {
        guard volery_libpq_load() == 0 else { return }
        throw Problem(
            .configurationInvalid,
            "PostgreSQL's client library cannot be loaded: \(String(cString: volery_libpq_reason())).",
            hint: "Install it: sudo apt-get install -y libpq5")
    }

    /// Loads it.
    /// - Returns: `15.10`; nil where the machine does not have it.
    package static var version: String? {
        guard volery_libpq_load() != 0 else { return nil }
        let number = PQlibVersion()
        return "\(number / 10_000).\(number % 10_000)"
    }
}
