import CPostgres
package import Kernel

/// Which database to connect to, as a `postgres://` URL of libpq's: several hosts, `sslmode` and the rest of its
/// parameters work. Never prints the password.
package struct PostgresLocation: Sendable, CustomStringConvertible {
    private let url: Secret
    /// Host, port and database, for logs and messages.
    package let description: String

    /// - Throws: `Problem(.configurationInvalid)`, in words that hold no part of the URL.
    package init(_ url: Secret) throws(Problem) {
        let text = url.reveal()
        guard text.hasPrefix("postgres://") || text.hasPrefix("postgresql://") else { throw Self.unreadable }
        guard let options = PQconninfoParse(text, nil) else { throw Self.unreadable }
        defer { PQconninfoFree(options) }
        var values: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        self.url = url
        let host = values["host"] ?? values["hostaddr"] ?? "the local socket"
        description = "\(host):\(values["port"] ?? "5432")/\(values["dbname"] ?? values["user"] ?? "")"
    }

    private static var unreadable: Problem {
        Problem(
            .configurationInvalid, "The database's URL cannot be read.",
            hint: "Write postgres://USER:PASSWORD@HOST:PORT/DATABASE; percent-encode what is special in a password.")
    }

    /// Keywords and values for `PQconnectdbParams` with `expand_dbname`: what stands before `dbname` is a default that
    /// the URL may change, what stands after it is not the URL's to change.
    /// - Parameter connectTimeout: whole seconds; libpq takes less than 2 for 2.
    func parameters(connectTimeout: Duration) -> [(keyword: String, value: String)] {
        [
            ("connect_timeout", String(max(2, connectTimeout.components.seconds))),
            ("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            // Milliseconds until data that the other machine does not acknowledge ends the connection.
            ("tcp_user_timeout", "20000"),
            ("dbname", url.reveal()),
            ("application_name", "volery"), ("client_encoding", "UTF8"),
        ]
    }
}
