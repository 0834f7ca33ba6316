package import Kernel

extension Budget {
    /// Of one tenant, for the same workspace, user and key: every request carries all of them along.
    package static let mostOfOneScope = 200
    package static let mostAlerts = 10

    /// - Throws: `VALIDATION_ERROR` for what no budget can be.
    package func check() throws(Problem) {
        guard amount >= 0 else {
            throw Problem(.validationError, "A budget's amount is not below zero.", parameter: "amount")
        }
        guard alerts.count <= Self.mostAlerts, alerts.allSatisfy((1...100).contains) else {
            throw Problem(
                .validationError, "Alerts are at most \(Self.mostAlerts) shares between 1 and 100 percent.",
                parameter: "alerts", hint: "Use 50,80,100, or leave them out.")
        }
        if let model = scope.model { try Self.check(pattern: model) }
        if let tag = scope.tag, !Self.isTag(tag) {
            throw Problem(
                .validationError, "\(quoted(tag)) is no tag.", parameter: "tag",
                hint: "A tag has at most 64 letters, digits and . _ : -")
        }
    }

    /// A model's name, or `*` at the end of the beginning of one.
    package static func check(pattern: String) throws(Problem) {
        let name = pattern.hasSuffix("*") ? pattern.dropLast() : pattern[...]
        let isPlain = name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "*") }
        guard isPlain, (1...200).contains(pattern.utf8.count) else {
            throw Problem(
                .validationError, "\(quoted(pattern)) names no models.", parameter: "model",
                hint: "Use a model's name, or * at the end of the beginning of one: llama-*")
        }
    }

    private static func isTag(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                // `-`, `.`; digits, `:`; letters; `_`.
                case 0x2D, 0x2E, 0x30...0x3A, 0x41...0x5A, 0x61...0x7A, 0x5F: true
                default: false
                }
            }
    }

    /// Scope, asset, period and hardness as one text: of a tenant's budgets each has another.
    package var identity: String {
        [
            scope.workspace?.description, scope.user?.description, scope.key?.description, scope.model, scope.tag,
            asset.text, period.description, isHard ? "hard" : "soft",
        ].map { $0 ?? "" }.joined(separator: "\n")
    }

    /// The account that counts what is accepted at `instant`.
    package func account(at instant: Instant) -> Account {
        let interval = period.interval(containing: instant)
        return Account(
            id: PlatformAccounts.budget(id, begins: interval?.begins), kind: .budget, asset: asset, tenant: tenant,
            workspace: scope.workspace, subject: id.description, limit: isHard ? amount : nil, begins: interval?.begins,
            ends: interval?.ends)
    }
}
