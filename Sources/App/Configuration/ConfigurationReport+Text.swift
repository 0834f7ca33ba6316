extension ConfigurationReport {
    /// What `--check-config` prints: what is wrong, then what is in force and where it comes from.
    package var text: String {
        var lines = faults.map { "error: \($0)" } + warnings.map { "warning: \($0)" }
        lines += configuration.roles.filter { !$0.hasWork }.map(\.rawValue).sorted()
            .map { "note: the role \($0) has nothing to do in this version" }
        lines.append("settings file: \(file ?? "none")")
        let width = effective.map(\.key.count).max() ?? 0
        for setting in effective {
            let key = setting.key + String(repeating: " ", count: width - setting.key.count)
            lines.append("\(key)  \(setting.value)  (\(setting.origin))")
        }
        lines.append(
            faults.isEmpty ? "The settings are good." : "The settings are not usable: \(faults.count) to mend.")
        return lines.joined(separator: "\n") + "\n"
    }
}
