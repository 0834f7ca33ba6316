extension Configuration {
    package struct MoneySettings: Sendable, Equatable {
        package var wallWait = Duration.seconds(2)
        package var wallQueue = 1000
        package var escrowTerm = Duration.seconds(30)
        package var escrowWriteOff = Duration.seconds(3600)
        package var maxStaleness = Duration.seconds(300)

        package init() {}
    }

    static func readMoney(_ reader: inout SettingsReader) -> MoneySettings {
        var money = MoneySettings()
        money.wallWait = reader.value(of: Settings.wallWait, or: money.wallWait)
        money.wallQueue = reader.value(of: Settings.wallQueue, or: money.wallQueue)
        money.escrowTerm = reader.value(of: Settings.escrowTerm, or: money.escrowTerm)
        money.escrowWriteOff = reader.value(of: Settings.escrowWriteOff, or: money.escrowWriteOff)
        money.maxStaleness = reader.value(of: Settings.spendingMaxStaleness, or: money.maxStaleness)
        return money
    }
}
