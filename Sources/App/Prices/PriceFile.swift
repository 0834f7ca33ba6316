package import Billing
package import FoundationEssentials
package import Kernel
import Yams

/// A file of prices, as `volery prices import` reads it; docs/billing.md describes it.
package enum PriceFile {
    /// Ten thousand rows have about a megabyte.
    package static let mostBytes = 16 << 20

    private static let known = ["currency", "per", "prices", "umu", "umu_price", "rates"]

    /// - Throws: `CONFIGURATION_INVALID`, also when there is no such file.
    package static func read(at path: String) throws(Problem) -> PriceBook.Content {
        guard let data = try? Data(contentsOf: URL(filePath: path)) else {
            throw Problem(
                .configurationInvalid, "\(path) cannot be read.", hint: "Check that the file is there and may be read.")
        }
        return try read(data, of: path)
    }

    package static func read(_ data: Data, of name: String) throws(Problem) -> PriceBook.Content {
        guard let text = String(validating: data, as: UTF8.self) else {
            throw Problem(.configurationInvalid, "\(name) is not UTF-8.", hint: "docs/billing.md describes the file.")
        }
        return try read(text)
    }

    /// - Throws: `CONFIGURATION_INVALID` that names every fault with its line and column.
    package static func read(_ yaml: String) throws(Problem) -> PriceBook.Content {
        guard yaml.utf8.count <= mostBytes else {
            throw Problem(.configurationInvalid, "The file is longer than \(ByteSize.text(mostBytes)).")
        }
        let text = YAMLText(yaml: yaml)
        var reader = DeclarationReader(text)
        var content = PriceBook.Content()
        let root = text.root.map { DeclaredNode(node: $0, place: "") }
        if let root, let fields = reader.fields(root, known: known) {
            let usual = PriceUnits(fields, PriceUnits(currency: nil, per: 1_000_000), &reader)
            for item in reader.items(fields["prices"]) ?? [] {
                content.entries += PriceEntry.entries(item, usual, &reader)
            }
            for item in reader.items(fields["umu"]) ?? [] {
                content.conversions += UMUConversion.conversions(item, usual, &reader)
            }
            for item in reader.items(fields["umu_price"]) ?? [] {
                if let price = UnitPrice(item, PriceUnits(currency: usual.currency, per: 1), &reader) {
                    content.umuPrice.append(price)
                }
            }
            for item in reader.items(fields["rates"]) ?? [] {
                if let rate = ExchangeRate(item, &reader) { content.rates.append(rate) }
            }
        }
        let faults = reader.faults.sorted().map(\.description)
        // What is wrong with the rows as a whole is told when each of them can be read.
        let told = faults.isEmpty ? content.problems : faults
        guard told.isEmpty else {
            throw Problem(
                .configurationInvalid, told.map { "\($0)." }.joined(separator: "\n"), parameter: "prices",
                hint: "docs/billing.md describes the file.")
        }
        if content == PriceBook.Content() {
            throw Problem(
                .configurationInvalid, "The file has no prices.", parameter: "prices",
                hint: "docs/billing.md describes the file.")
        }
        return content
    }
}

/// What prices are in, and for how many, where a row does not say so itself.
struct PriceUnits {
    let currency: Currency?
    let per: Int64

    init(currency: Currency?, per: Int64) {
        self.currency = currency
        self.per = per
    }

    init(_ fields: DeclaredFields, _ usual: PriceUnits, _ reader: inout DeclarationReader) {
        currency = reader.choice(fields["currency"], Currency.self) ?? usual.currency
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
