/// What an account of the ledger counts: money in its currency's ledger scale, or a quantity of usage.
public enum Asset: Hashable, Sendable {
    case money(Currency)
    /// Millionths of the Unified Metering Unit.
    case umu
    /// Input and output together.
    case tokens
    /// Milliseconds of audio, heard or made.
    case audio
    /// Milliseconds of a GPU's time.
    case gpu
    case requests

    public static let all = Currency.allCases.map(Asset.money) + [.umu, .tokens, .audio, .gpu, .requests]

    public init?(_ text: some StringProtocol) {
        guard let asset = Asset.all.first(where: { $0.text == text }) else { return nil }
        self = asset
    }

    /// As it stands in rows, requests and answers: `USD`, `tokens`, `audio_seconds`.
    public var text: String {
        switch self {
        case .money(let currency): currency.rawValue
        case .umu: "umu"
        case .tokens: "tokens"
        case .audio: "audio_seconds"
        case .gpu: "gpu_seconds"
        case .requests: "requests"
        }
    }

    /// Decimal digits of a whole that the integer carries.
    public var scale: Int {
        switch self {
        case .money(let currency): currency.ledgerScale
        case .umu: 6
        case .tokens, .requests: 0
        case .audio, .gpu: 3
        }
    }

    public var currency: Currency? { if case .money(let currency) = self { currency } else { nil } }
}

extension Asset: CustomStringConvertible {
    public var description: String { text }
}

/// So much of an asset, in its smallest units.
public struct Amount: Hashable, Sendable {
    public let units: Int64
    public let asset: Asset

    public init(units: Int64, _ asset: Asset) {
        self.units = units
        self.asset = asset
    }

    public init(_ money: Money) { self.init(units: money.units, .money(money.currency)) }

    /// For sentences: `1 request`, where headers and rows say `1 requests`.
    public var words: String {
        switch asset {
        case .tokens where units == 1, .requests where units == 1: text + " " + asset.text.dropLast()
        case .money, .umu, .tokens, .audio, .gpu, .requests: description
        }
    }
}
