package import Billing
package import FoundationEssentials
package import Kernel
import Yams

/// A file of prices, as `volery prices import` reads it; docs/billing.md describes it.
package enum PriceFile {
    /// Ten thousand rows have about a megabyte.
    package static let mostBytes = 16 << 20

    private static let known = ["currency", "per", "prices", "umu", "umu_price", "rates"]

    private static let description = "docs/billing.md describes the file."

    /// - Throws: `NOT_FOUND` when there is no such file; `VALIDATION_ERROR`.
    package static func read(at path: String) throws(Problem) -> PriceBook.Content {
        guard let data = try? Data(contentsOf: URL(filePath: path)) else {
            let (words, isThere) = UnreadableFile.told(path)
            throw Problem(isThere ? .storageUnavailable : .notFound, words, hint: "Check the name. " + description)
        }
        return try read(data, of: path)
    }

    package static func read(_ data: Data, of name: String) throws(Problem) -> PriceBook.Content {
        guard let text = String(validating: data, as: UTF8.self) else {
            throw Problem(.validationError, "\(name) is not UTF-8.", hint: description)
        }
        return try read(text, of: name)
    }

    /// - Throws: `VALIDATION_ERROR` that names every fault with its line and column.
    package static func read(_ yaml: String, of name: String) throws(Problem) -> PriceBook.Content {
        guard yaml.utf8.count <= mostBytes else {
            throw Problem(.validationError, "\(name) is longer than \(ByteSize.text(mostBytes)).", hint: description)
        }
        let text = YAMLText(yaml: yaml)
        var reader = DeclarationReader(text)
        var content = PriceBook.Content()
        var nodes: [PriceBook.Content.Fault.Section: [DeclaredNode]] = [:]
        func note(_ section: PriceBook.Content.Fault.Section, _ node: DeclaredNode, _ count: Int) {
            nodes[section, default: []] += Array(repeating: node, count: count)
        }
        let root = text.root.map { DeclaredNode(node: $0, place: "") }
        if let root, let fields = reader.fields(root, known: known) {
            let usual = PriceUnits(fields, PriceUnits(currency: nil, per: 1_000_000), &reader)
            for item in reader.items(fields["prices"]) ?? [] {
                let rows = PriceEntry.entries(item, usual, &reader)
                content.entries += rows
                note(.prices, item, rows.count)
            }
            for item in reader.items(fields["umu"]) ?? [] {
                let rows = UMUConversion.conversions(item, usual, &reader)
                content.conversions += rows
                note(.umu, item, rows.count)
            }
            for item in reader.items(fields["umu_price"]) ?? [] {
                guard let price = UnitPrice(item, usual.with(per: 1), &reader) else { continue }
                content.umuPrice.append(price)
                note(.umuPrice, item, 1)
            }
            for item in reader.items(fields["rates"]) ?? [] {
                guard let rate = ExchangeRate(item, &reader) else { continue }
                content.rates.append(rate)
                note(.rates, item, 1)
            }
        }
        // What is wrong with the rows as a whole is told when each of them can be read.
        if reader.faults.isEmpty {
            for fault in content.faults {
                if let node = fault.row.flatMap({ nodes[$0.section]?[$0.index] }) {
                    reader.complain(DeclaredNode(node: node.node, place: node.place + ":"), fault.words)
                } else if let root {
                    reader.complain(root, "cannot be used: " + fault.words)
                }
            }
        }
        let faults = reader.faults.sorted()
        guard faults.isEmpty else {
            // A row has several prices, and may have the same fault in each.
            var told: [String] = []
            for fault in faults where told.last != fault.sentence { told.append(fault.sentence) }
            throw Problem(
                .validationError, told.map { "\(name):\($0)" }.joined(separator: "\n"), parameter: "prices",
                hint: description)
        }
        if content == PriceBook.Content() {
            throw Problem(.validationError, "\(name) has no prices.", parameter: "prices", hint: description)
        }
        return content
    }
}

/// What prices are in, and for how many, where a row does not say so itself.
struct PriceUnits {
    let currency: Currency?
    /// Whether there is one, be it known or not: what is not known is told once, where it stands.
    let namesCurrency: Bool
    let per: Int64

    init(currency: Currency?, per: Int64, namesCurrency: Bool? = nil) {
        self.currency = currency
        self.namesCurrency = namesCurrency ?? (currency != nil)
        self.per = per
    }

    func with(per: Int64) -> PriceUnits { PriceUnits(currency: currency, per: per, namesCurrency: namesCurrency) }

    init(_ fields: DeclaredFields, _ usual: PriceUnits, _ reader: inout DeclarationReader) {
        let isOwn = fields.has("currency")
        currency = isOwn ? reader.choice(fields["currency"], Currency.self) : usual.currency
        namesCurrency = isOwn || usual.namesCurrency
        let per = reader.parsed(fields["per"], allowed: "1, 1k, 1m") { text -> Int64? in
            switch text {
            case "1": 1
            case "1k", "1000": 1000
            case "1m", "1000000": 1_000_000
            default: nil
            }
        }
        self.per = per ?? usual.per
    }
}
