package import Kernel

/// The platform's accounts have fixed identifiers, made from kind, asset and subject, so that every node names the same
/// one without asking.
package enum PlatformAccounts {
    /// - Parameter subject: a provider's identifier for `cost` and `payable`; else empty.
    package static func account(_ kind: Account.Kind, _ asset: Asset, subject: String = "") -> Account {
        Account(id: id(kind, asset, subject: subject), kind: kind, asset: asset, subject: subject, limit: nil)
    }

    package static func id(_ kind: Account.Kind, _ asset: Asset, subject: String = "") -> AccountID {
        if subject.isEmpty, let known = fixed[Fixed(kind: kind, asset: asset)] { return known }
        return named(kind, asset, subject)
    }

    private static func named(_ kind: Account.Kind, _ asset: Asset, _ subject: String) -> AccountID {
        AccountID(name("platform\0", kind.rawValue, "\0", asset.text, "\0", subject))
    }

    private struct Fixed: Hashable {
        let kind: Account.Kind
        let asset: Asset
    }

    /// Those of no provider are named for every request.
    private static let fixed: [Fixed: AccountID] = {
        var fixed: [Fixed: AccountID] = [:]
        for kind in Account.Kind.allCases where kind.isPlatform {
            for asset in Asset.all {
                fixed[Fixed(kind: kind, asset: asset)] = named(kind, asset, "")
            }
        }
        return fixed
    }()

    /// The same for what belongs to a workspace and is there once for an asset.
    package static func receivable(of workspace: WorkspaceID, _ asset: Asset) -> AccountID {
        AccountID(name("receivable\0\(workspace)\0\(asset.text)"))
    }

    /// The same for a period of a budget: whoever needs its account first makes it.
    /// - Parameter begins: nil for a budget whose period does not end.
    package static func budget(_ budget: BudgetID, begins: Instant?) -> AccountID {
        AccountID(name("budget\0\(budget)\0\(begins.map { String($0.microseconds) } ?? "")"))
    }

    /// FNV-1a twice over the words one after the other, with different beginnings: not secret, only the same everywhere
    /// and apart.
    static func name(_ words: String...) -> ULID {
        ULID(high: hash(words, 0xcbf2_9ce4_8422_2325), low: hash(words, 0x6c62_272e_07bb_0142))
    }

    private static func hash(_ words: [String], _ beginning: UInt64) -> UInt64 {
        words.reduce(beginning) { hash, word in
            word.utf8.reduce(hash) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
        }
    }
}
