import CPostgres
package import Kernel

/// Which database to connect to, as a `postgres://` URL of libpq's: several hosts, `sslmode` and the rest of its
/// parameters work. Never prints the password.
package struct PostgresLocation: Sendable, CustomStringConvertible {
    /// libpq looks at these only when it connects.
    private static let choices: [(keyword: String, allowed: [String])] = [
        ("sslmode", ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]),
        ("channel_binding", ["disable", "prefer", "require"]),
        ("gssencmode", ["disable", "prefer", "require"]),
        ("target_session_attrs", ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"]),
    ]

    private let url: Secret
    /// Host, port and database, for logs and messages.
    package let description: String

    /// - Throws: `Problem(.configurationInvalid)`, in words that hold no part of the URL; also where libpq is missing.
    package init(_ url: Secret) throws(Problem) {
        try PostgresLibrary.load()
        let values = try Self.values(url.reveal())
        let hosts = [values["host"], values["hostaddr"]].compactMap(\.self)
        // A password with such characters that are not percent-encoded ends up there, and would be shown.
        guard hosts.allSatisfy(Self.areHosts), values["port"]?.allSatisfy({ "0123456789,".contains($0) }) ?? true
        else { throw Self.unreadable() }
        for (keyword, allowed) in Self.choices {
            guard let value = values[keyword], !value.isEmpty, !allowed.contains(value) else { continue }
            throw Self.unreadable(": \(keyword) is one of \(allowed.joined(separator: ", "))")
        }
        self.url = url
        let host = hosts.first ?? "the local socket"
        description = "\(host):\(values["port"] ?? "5432")/\(values["dbname"] ?? values["user"] ?? "")"
    }

    /// What the URL says, by libpq's keywords.
    private static func values(_ text: String) throws(Problem) -> [String: String] {
        guard let scheme = ["postgres://", "postgresql://"].first(where: text.hasPrefix) else { throw unreadable() }
        let place = text.dropFirst(scheme.count).prefix { $0 != "?" }
        // A `/` in a password: its rest would be taken for the database's name.
        if let slash = place.firstIndex(of: "/"), place[slash...].contains("@") { throw unreadable() }
        guard let options = PQconninfoParse(text, nil) else { throw unreadable() }
        defer { PQconninfoFree(options) }
        var values: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        return values
    }

    /// Names, addresses or folders of sockets, with commas between them.
    private static func areHosts(_ list: String) -> Bool {
        list.split(separator: ",").allSatisfy { host in
            let isFolder = host.hasPrefix("/")
            return host.allSatisfy { !$0.isWhitespace && !"@#?".contains($0) && (isFolder || $0 != "/") }
        }
    }

    private static func unreadable(_ detail: String = "") -> Problem {
        Problem(
            .configurationInvalid, "The database's URL cannot be read\(detail).",
            hint: "Write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with libpq's options such as ?sslmode=require; "
                + "percent-encode what is special in a password.")
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
