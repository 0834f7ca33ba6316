/// One setting: its key, what it may hold, and what it is for. The same key in lower case names it in the file, in
/// upper case after `VOLERY_` in the environment, and with dashes on the command line where there is a flag for it.
package struct Setting<Value: Sendable>: Sendable {
    package let key: String
    /// The default as a person would write it; nil when there is none.
    let fallback: String?
    /// What is allowed, in words that complete "allowed: …".
    let allowed: String
    let help: String
    /// Nil for text that is not allowed.
    let parse: @Sendable (String) -> Value?

    init(
        _ key: String, fallback: String?, allowed: String, help: String,
        parse: @escaping @Sendable (String) -> Value?
    ) {
        self.key = key
        self.fallback = fallback
        self.allowed = allowed
        self.help = help
        self.parse = parse
    }

    var row: SettingRow { SettingRow(key: key, fallback: fallback, allowed: allowed, help: help) }
}

/// A setting without its type, as the documentation and the checks see it.
package struct SettingRow: Sendable, Equatable {
    package let key: String
    package let fallback: String?
    package let allowed: String
    package let help: String

    package var variable: String { "VOLERY_" + key.uppercased() }
    package var flag: String { "--" + key.replacing("_", with: "-") }
}

extension Setting where Value == Int {
    static func integer(_ key: String, _ fallback: Int, in range: ClosedRange<Int>, _ help: String) -> Setting {
        Setting(
            key, fallback: String(fallback), allowed: "a whole number from \(range.lowerBound) to \(range.upperBound)",
            help: help
        ) { text in
            guard let number = Int(text), range.contains(number) else { return nil }
            return number
        }
    }

    /// - Parameter fallback: as a person would write it.
    static func bytes(_ key: String, _ fallback: String, in range: ClosedRange<Int>, _ help: String) -> Setting {
        Setting(
            key, fallback: fallback,
            allowed: "\(ByteSize.text(range.lowerBound)) to \(ByteSize.text(range.upperBound)), such as 65536 or 20MiB",
            help: help
        ) { text in
            guard let size = ByteSize.parse(text), range.contains(size) else { return nil }
            return size
        }
    }
}

extension Setting where Value == Duration {
    static func duration(
        _ key: String, _ fallback: String, in range: ClosedRange<Duration>, _ help: String
    ) -> Setting {
        Setting(
            key, fallback: fallback,
            allowed:
                "\(TimeSpan.text(range.lowerBound)) to \(TimeSpan.text(range.upperBound)), such as 250ms, 5s or 2m",
            help: help
        ) { text in
            guard let span = TimeSpan.parse(text), range.contains(span) else { return nil }
            return span
        }
    }
}

extension Setting where Value == Bool {
    static func flag(_ key: String, _ fallback: Bool, _ help: String) -> Setting {
        Setting(key, fallback: String(fallback), allowed: "true or false", help: help) { text in
            switch text {
            case "true", "yes", "on", "1": true
            case "false", "no", "off", "0": false
            default: nil
            }
        }
    }
}

extension Setting where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    static func choice(_ key: String, _ fallback: Value, _ help: String) -> Setting {
        let allowed = Value.allCases.map(\.rawValue).joined(separator: ", ")
        return Setting(key, fallback: fallback.rawValue, allowed: allowed, help: help) { Value(rawValue: $0) }
    }
}

extension Setting where Value == String {
    /// A host name or an address, without a port.
    static func host(_ key: String, _ fallback: String, _ help: String) -> Setting {
        Setting(key, fallback: fallback, allowed: "an address or a host name", help: help) { text in
            let isName = (1...253).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
            return isName && !text.contains("/") ? text : nil
        }
    }

    static func path(_ key: String, _ fallback: String?, _ help: String) -> Setting {
        Setting(key, fallback: fallback, allowed: "a path", help: help) { text in
            text.isEmpty || text.utf8.contains(0) ? nil : text
        }
    }
}
