/// Where a value came from, for errors and for `--check-config`.
package enum SettingOrigin: Sendable, Equatable, CustomStringConvertible {
    case flag(String)
    case environment(String)
    case file(path: String, line: Int)
    case fallback

    package var description: String {
        switch self {
        case .flag(let flag): flag
        case .environment(let variable): variable
        case .file(let path, let line): "\(path):\(line)"
        case .fallback: "default"
        }
    }
}

/// One thing that is wrong with the settings.
package struct SettingFault: Sendable, Equatable, CustomStringConvertible {
    package let key: String
    package let origin: SettingOrigin
    package let complaint: String

    package var description: String { "\(key) (\(origin)): \(complaint)" }
}

/// A value that is in force.
package struct EffectiveSetting: Sendable, Equatable {
    package let key: String
    /// Without passwords.
    package let value: String
    package let origin: SettingOrigin
}

/// The layers that settings come from: flag before environment before file before default. Notes what is wrong, and
/// goes on with the default, so that one run shows all that is wrong.
struct SettingsReader {
    /// By key.
    let flags: [String: String]
    let environment: [String: String]
    let file: SettingsFile
    private(set) var faults: [SettingFault] = []
    private(set) var effective: [EffectiveSetting] = []

    init(flags: [String: String], environment: [String: String], file: SettingsFile) {
        self.flags = flags
        self.environment = environment
        self.file = file
        faults = file.faults
    }

    /// The value, or `stopgap` where it is wrong or missing.
    mutating func value<Value>(of setting: Setting<Value>, or stopgap: @autoclosure () -> Value) -> Value {
        guard let (text, origin) = text(of: setting) else { return stopgap() }
        guard let value = setting.parse(text) else {
            let shown = Self.withoutPassword(text)
            faults.append(
                SettingFault(
                    key: setting.key, origin: origin,
                    complaint: "`\(shown)` is not allowed; allowed: \(setting.allowed)"))
            return setting.fallback.flatMap(setting.parse) ?? stopgap()
        }
        effective.append(EffectiveSetting(key: setting.key, value: Self.withoutPassword(text), origin: origin))
        return value
    }

    func text<Value>(of setting: Setting<Value>) -> (text: String, origin: SettingOrigin)? {
        let row = setting.row
        if let text = flags[setting.key] { return (text, .flag(row.flag)) }
        if let text = environment[row.variable], !text.isEmpty { return (text, .environment(row.variable)) }
        if let entry = file.entries[setting.key] { return (entry.text, .file(path: file.path, line: entry.line)) }
        return setting.fallback.map { ($0, .fallback) }
    }

    /// Notes what is wrong with a value that was read.
    mutating func refuse<Value>(_ setting: Setting<Value>, _ complaint: String) {
        guard let origin = text(of: setting)?.origin else { return }
        faults.append(SettingFault(key: setting.key, origin: origin, complaint: complaint))
    }

    static func withoutPassword(_ whole: String) -> String {
        let text = redacted(whole)
        return text.count > 200 ? text.prefix(200) + "…" : text
    }

    /// Hides what stands between `://` and the last `@`, and every option after `?`. A password that is not
    /// percent-encoded may hold both characters itself.
    private static func redacted(_ text: String) -> String {
        guard let scheme = text.firstRange(of: "://") else {
            return text.lowercased().contains("password=") ? "<redacted>" : text
        }
        let rest = text[scheme.upperBound...]
        let question = rest.firstIndex(of: "?")
        let at = rest.lastIndex(of: "@")
        if let question, let at, question < at { return text[..<scheme.upperBound] + "<redacted>" }
        let place = rest[..<(question ?? rest.endIndex)]
        let shown = at.map { "<redacted>" + place[$0...] } ?? String(place)
        return text[..<scheme.upperBound] + shown + (question == nil ? "" : "?<redacted>")
    }
}
