/// How spending is bounded.
extension Settings {
    static let wallWait = Setting.duration(
        "wall_wait", "2s", in: .zero...Duration.seconds(60),
        "How long a request waits while the rest of a budget or credit is only set aside for requests that run.")
    static let wallQueue = Setting.integer(
        "wall_queue", 1000, in: 0...1_000_000, "Requests that may wait so for one budget or credit.")
    static let escrowTerm = Setting.duration(
        "escrow_term", "30s", in: .seconds(10)...Duration.seconds(600),
        "For how long a node may spend from budgets and credit without reaching the database.")
    static let escrowWriteOff = Setting.duration(
        "escrow_write_off", "1h", in: .seconds(60)...Duration.seconds(30 * 86_400),
        "When what a lost node held of budgets counts as spent, and of credit goes back, at the platform's loss.")
    static let spendingMaxStaleness = Setting.duration(
        "spending_max_staleness", "5m", in: .seconds(1)...Duration.seconds(24 * 3600),
        "How long budgets, limits and wallets that were read before hold while the database does not answer.")

    static let moneyRows: [SettingRow] = [
        wallWait.row, wallQueue.row, escrowTerm.row, escrowWriteOff.row, spendingMaxStaleness.row,
    ]
}
