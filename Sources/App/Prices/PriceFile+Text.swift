import Billing
package import Flows
import FoundationEssentials

extension PriceFile {
    /// The file that says what a version of a book says.
    package static func text(of book: PriceBookView) -> String {
        let file = PriceFileText(book)
        return "# version \(book.version) of the \(book.kind.rawValue) book\n" + file.sections.joined()
    }
}

/// Rows in flow style, one a line: what is told of the same thing stands together.
private struct PriceFileText {
    private(set) var sections: [String] = []

    init(_ book: PriceBookView) {
        add("prices", Self.together(book.prices.map { (Self.head(of: $0), [$0.meter: $0.price.amount.text]) }))
        add("umu", Self.together(book.umu.map { (Self.head(of: $0), [$0.meter: $0.umu.text]) }))
        add(
            "umu_price",
            book.umuPrice.map { price in
                [
                    "price: " + price.amount.text, "currency: " + price.currency,
                    "per: " + Self.name(ofMultiple: price.per),
                ]
            })
        add(
            "rates",
            book.rates.map { rate in
                ["from: " + rate.from, "to: " + rate.to, "rate: " + rate.rate.text, "day: " + Self.quoted(rate.day)]
            })
    }

    private mutating func add(_ section: String, _ rows: [[String]]) {
        guard !rows.isEmpty else { return }
        let lines = rows.map { "  - {" + $0.joined(separator: ", ") + "}\n" }
        sections.append("\(section):\n" + lines.joined())
    }

    /// Of rows with the same head one, in the order of the first.
    private static func together(_ rows: [(head: [String], amounts: [String: String])]) -> [[String]] {
        var order: [[String]] = []
        var amounts: [[String]: [String: String]] = [:]
        for row in rows {
            if amounts[row.head] == nil { order.append(row.head) }
            amounts[row.head, default: [:]].merge(row.amounts) { $1 }
        }
        return order.map { head in
            let told = amounts[head] ?? [:]
            return head
                + priceFileMeters.compactMap { key, meter in told[meter.rawValue].map { "\(key): \($0)" } }
        }
    }

    private static func head(of row: PriceEntryView) -> [String] {
        var head = ["model: " + quoted(row.model)]
        if let provider = row.provider { head.append("provider: " + quoted(provider)) }
        if let operation = row.operation { head.append("operation: " + quoted(operation)) }
        if let size = row.size { head.append("size: " + quoted(size)) }
        if let steps = row.steps { head.append("steps: \(steps)") }
        if let above = row.above { head.append("above: \(above)") }
        head.append("currency: " + row.price.currency)
        return head + multiple(row.price.per, of: row.meter)
    }

    private static func head(of row: UMUConversionView) -> [String] {
        ["model: " + quoted(row.model)] + multiple(row.per, of: row.meter)
    }

    /// What is priced by the piece has none.
    private static func multiple(_ per: Int, of meter: String) -> [String] {
        guard let meter = Meter(rawValue: meter), !meter.isByThePiece else { return [] }
        return ["per: " + name(ofMultiple: per)]
    }

    private static func name(ofMultiple per: Int) -> String {
        switch per {
        case 1000: "1k"
        case 1_000_000: "1m"
        default: "\(per)"
        }
    }

    /// As JSON writes it, which YAML reads.
    private static func quoted(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        let data = (try? encoder.encode(text)) ?? Data()
        return String(decoding: data, as: UTF8.self)
    }
}
