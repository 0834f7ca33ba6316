import Kernel

extension MasterKeySettings {
    static let variable = "VOLERY_MASTER_KEY"
    static let previousVariable = "VOLERY_MASTER_KEY_PREVIOUS"
    /// The name under which systemd's `LoadCredential=` or `LoadCredentialEncrypted=` gives it.
    static let credentialName = "master-key"

    /// Variables that hold keys themselves: no settings, since a setting is shown by `--check-config`.
    static let variables = [variable, previousVariable]
}

extension Configuration {
    static func readMasterKey(
        _ reader: inout SettingsReader, environment: [String: String], absolute: (String) -> String
    ) -> MasterKeySettings {
        func path(_ setting: Setting<String>) -> String? {
            (reader.text(of: setting)?.text).flatMap { text in
                let path = reader.value(of: setting, or: text)
                return path.isEmpty ? nil : absolute(path)
            }
        }
        func secret(_ variable: String) -> Secret? {
            environment[variable].flatMap { $0.isEmpty ? nil : Secret($0) }
        }
        let settings = MasterKeySettings(
            file: path(Settings.masterKeyFile), text: secret(MasterKeySettings.variable),
            credential: environment["CREDENTIALS_DIRECTORY"].flatMap { folder in
                folder.hasPrefix("/") ? folder + "/" + MasterKeySettings.credentialName : nil
            },
            previousFile: path(Settings.masterKeyPreviousFile), previousText: secret(MasterKeySettings.previousVariable)
        )
        if settings.file != nil, settings.text != nil {
            reader.refuse(Settings.masterKeyFile, "\(MasterKeySettings.variable) gives a master key too; choose one")
        }
        if settings.previousFile != nil, settings.previousText != nil {
            reader.refuse(
                Settings.masterKeyPreviousFile,
                "\(MasterKeySettings.previousVariable) gives a master key too; choose one")
        }
        return settings
    }
}
