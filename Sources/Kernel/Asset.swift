/// What an account of the ledger counts: money in its currency's ledger scale, or a quantity of usage.
package enum Asset: Hashable, Sendable {
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

    package static let all = Currency.allCases.map(Asset.money) + [.umu, .tokens, .audio, .gpu, .requests]

    package init?(_ text: some StringProtocol) {
        guard let asset = Asset.all.first(where: { $0.text == text }) else { return nil }
        self = asset
    }

    /// As it stands in rows, requests and answers: `USD`, `tokens`, `audio_seconds`.
    package var text: String {
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
    package var scale: Int {
        switch self {
        case .money(let currency): currency.ledgerScale
        case .umu: 6
        case .tokens, .requests: 0
        case .audio, .gpu: 3
        }
    }

    package var currency: Currency? { if case .money(let currency) = self { currency } else { nil } }
}

extension Asset: CustomStringConvertible {
    package var description: String { text }
}

/// So much of an asset, in its smallest units.
package struct Amount: Hashable, Sendable {
    package let units: Int64
    package let asset: Asset

    package init(units: Int64, _ asset: Asset) {
        self.units = units
        self.asset = asset
    }

    package init(_ money: Money) { self.init(units: money.units, .money(money.currency)) }

    /// For sentences: `1 request`, where headers and rows say `1 requests`.
    package var words: String {
        switch asset {
        case .tokens where units == 1, .requests where units == 1: text + " " + asset.text.dropLast()
        case .money, .umu, .tokens, .audio, .gpu, .requests: description
        }
    }
}
