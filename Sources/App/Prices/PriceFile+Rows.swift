import Billing
import Inference
import Kernel

/// What a row of the file calls each meter. The last four are priced by the piece.
let priceFileMeters: [(key: String, meter: Meter)] = [
    ("input", .input), ("cached_input", .cachedInput), ("output", .output), ("reasoning", .reasoning),
    ("characters", .characters), ("image", .images), ("audio_second", .audio), ("gpu_second", .gpu),
    ("request", .requests),
]

extension Meter {
    var isByThePiece: Bool {
        switch self {
        case .input, .cachedInput, .output, .reasoning, .characters: false
        case .images, .audio, .gpu, .requests: true
        }
    }
}

extension PriceEntry {
    private static let known =
        ["model", "provider", "operation", "size", "steps", "above", "currency", "per"] + priceFileMeters.map(\.key)

    static func entries(
        _ node: DeclaredNode, _ usual: PriceUnits, _ reader: inout DeclarationReader
    ) -> [PriceEntry] {
        guard let fields = reader.fields(node, known: known, required: ["model"]) else { return [] }
        let model = reader.text(fields["model"])
        let provider = reader.text(fields["provider"])
        let operation = reader.choice(fields["operation"], Inference.Operation.self)?.rawValue
        let size = reader.text(fields["size"])
        let steps = reader.count(fields["steps"]).map(Int.init(clamping:))
        let above = reader.count(fields["above"]) ?? 0
        let units = PriceUnits(fields, usual, &reader)
        let priced = priceFileMeters.filter { fields.has($0.key) }
        if priced.isEmpty {
            reader.complain(node, "has no price; give it one of " + priceFileMeters.map(\.key).joined(separator: ", "))
        }
        if !priced.isEmpty, !priced.contains(where: { $0.meter == .images }), size != nil || steps != nil {
            reader.complain(node, "has a size or steps, which only `image` is priced by")
        }
        guard let currency = units.currency else {
            if !units.namesCurrency { reader.complain(node, "has no `currency`, and neither has the file") }
            return []
        }
        guard let model else { return [] }
        return priced.compactMap { key, meter in
            guard let amount = reader.decimal(fields[key], scale: currency.ledgerScale) else { return nil }
            let isImage = meter == .images
            return PriceEntry(
                model: model, provider: provider, operation: operation, meter: meter, size: isImage ? size : nil,
                steps: isImage ? steps : nil, above: above,
                price: UnitPrice(units: amount, currency: currency, per: meter.isByThePiece ? 1 : units.per))
        }
    }
}

extension UMUConversion {
    static func conversions(
        _ node: DeclaredNode, _ usual: PriceUnits, _ reader: inout DeclarationReader
    ) -> [UMUConversion] {
        let known = ["model", "per"] + priceFileMeters.map(\.key)
        guard let fields = reader.fields(node, known: known, required: ["model"]) else { return [] }
        let units = PriceUnits(fields, usual, &reader)
        let counted = priceFileMeters.filter { fields.has($0.key) }
        if counted.isEmpty {
            reader.complain(
                node, "converts nothing; give it one of " + priceFileMeters.map(\.key).joined(separator: ", "))
        }
        guard let model = reader.text(fields["model"]) else { return [] }
        return counted.compactMap { key, meter in
            reader.decimal(fields[key], scale: Asset.umu.scale).map {
                UMUConversion(model: model, meter: meter, millionths: $0, per: meter.isByThePiece ? 1 : units.per)
            }
        }
    }
}

extension UnitPrice {
    init?(_ node: DeclaredNode, _ usual: PriceUnits, _ reader: inout DeclarationReader) {
        guard let fields = reader.fields(node, known: ["price", "currency", "per"], required: ["price"]) else {
            return nil
        }
        let units = PriceUnits(fields, usual, &reader)
        guard let currency = units.currency else {
            if !units.namesCurrency { reader.complain(node, "has no `currency`, and neither has the file") }
            return nil
        }
        guard let amount = reader.decimal(fields["price"], scale: currency.ledgerScale) else { return nil }
        self.init(units: amount, currency: currency, per: units.per)
    }
}

extension ExchangeRate {
    private static let scale = 9

    init?(_ node: DeclaredNode, _ reader: inout DeclarationReader) {
        let keys = ["from", "to", "rate", "day"]
        guard let fields = reader.fields(node, known: keys, required: keys) else { return nil }
        let from = reader.choice(fields["from"], Currency.self)
        let to = reader.choice(fields["to"], Currency.self)
        let rate = reader.decimal(fields["rate"], scale: Self.scale)
        let day = reader.text(fields["day"])
        guard let from, let to, let rate, let day else { return nil }
        self.init(from: from, to: to, billionths: rate, day: day)
    }
}

extension DeclarationReader {
    /// A decimal that is not below zero, in the last of `scale` digits.
    fileprivate mutating func decimal(_ value: DeclaredNode?, scale: Int) -> Int64? {
        parsed(value, allowed: "a decimal such as 0.15, with at most \(scale) digits after the point") { text in
            DecimalText.units(text, scale: scale).flatMap { $0 < 0 || text.hasPrefix("-") ? nil : $0 }
        }
    }

    fileprivate mutating func count(_ value: DeclaredNode?) -> Int64? {
        parsed(value, allowed: "a whole number, 0 or more") { text in Int64(text).flatMap { $0 < 0 ? nil : $0 } }
    }
}
