package import Kernel

/// The platform's accounts have fixed identifiers, made from kind, asset and subject, so that every node names the same
/// one without asking.
package enum PlatformAccounts {
    /// - Parameter subject: a provider's identifier for `cost` and `payable`; else empty.
    package static func account(_ kind: Account.Kind, _ asset: Asset, subject: String = "") -> Account {
        Account(id: id(kind, asset, subject: subject), kind: kind, asset: asset, subject: subject, limit: nil)
    }

    package static func id(_ kind: Account.Kind, _ asset: Asset, subject: String = "") -> AccountID {
        if subject.isEmpty, let known = fixed[kind.place * Asset.all.count + asset.place] { return known }
        return named(kind, asset, subject)
    }

    private static func named(_ kind: Account.Kind, _ asset: Asset, _ subject: String) -> AccountID {
        AccountID(name("platform\0", kind.rawValue, "\0", asset.text, "\0", subject))
    }

    /// Those of no provider are named for every request: by the places of kind and asset, and not looked up.
    private static let fixed: [AccountID?] = {
        var fixed = [AccountID?](repeating: nil, count: Account.Kind.allCases.count * Asset.all.count)
        for kind in Account.Kind.allCases where kind.isPlatform {
            for asset in Asset.all { fixed[kind.place * Asset.all.count + asset.place] = named(kind, asset, "") }
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

extension Account.Kind {
    /// Each has its own, below their number.
    fileprivate var place: Int {
        switch self {
        case .credit: 0
        case .receivable: 1
        case .budget: 2
        case .issued: 3
        case .consumed: 4
        case .revenue: 5
        case .cost: 6
        case .payable: 7
        case .suspense: 8
        case .loss: 9
        case .rounding: 10
        }
    }
}

extension Asset {
    /// Each has its own, below their number.
    fileprivate var place: Int {
        switch self {
        case .money(.irr): 0
        case .money(.usd): 1
        case .money(.eur): 2
        case .umu: 3
        case .tokens: 4
        case .audio: 5
        case .gpu: 6
        case .requests: 7
        }
    }
}
