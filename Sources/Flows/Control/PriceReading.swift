package import Billing
import Inference
package import Kernel

extension NewPrice {
    /// The entries that it asks for.
    func entries(currency: Currency, model: String) throws(Problem) -> [PriceEntry] {
        let per = try perWholes(per ?? 1_000_000, parameter: "per")
        if let above, above < 0 { throw Problem(.validationError, "`above` is below 0.", parameter: "above") }
        let operation = try operation.map { text throws(Problem) in try checkedOperation(text, parameter: "operation") }
        let asked: [(DecimalInput?, Meter, String, Int64)] = [
            (input, .input, "input", per), (cachedInput, .cachedInput, "cached_input", per),
            (output, .output, "output", per), (reasoning, .reasoning, "reasoning", per),
            (characters, .characters, "characters", per), (image, .images, "image", 1),
            (audioSecond, .audio, "audio_second", 1), (gpuSecond, .gpu, "gpu_second", 1),
            (request, .requests, "request", 1),
        ]
        var entries: [PriceEntry] = []
        for (text, meter, parameter, per) in asked {
            guard let text else { continue }
            let units = try text.units(.money(currency), parameter: parameter)
            entries.append(
                PriceEntry(
                    model: model, provider: provider, operation: operation, meter: meter,
                    size: meter == .images ? size : nil, steps: meter == .images ? steps : nil,
                    above: Int64(above ?? 0), price: UnitPrice(units: units, currency: currency, per: per)))
        }
        guard !entries.isEmpty else {
            throw Problem(
                .validationError, "It sets no price.", parameter: "input",
                hint: "Give `input` and `output`, or what else the model is priced by.")
        }
        return entries
    }
}

extension NewPriceBook {
    func content() throws(Problem) -> PriceBook.Content {
        var content = PriceBook.Content()
        for (index, row) in (prices ?? []).enumerated() { content.entries.append(try row.entry("prices[\(index)]")) }
        for (index, row) in (umu ?? []).enumerated() { content.conversions.append(try row.conversion("umu[\(index)]")) }
        for (index, row) in (umuPrice ?? []).enumerated() {
            content.umuPrice.append(try row.price("umu_price[\(index)]"))
        }
        for (index, row) in (rates ?? []).enumerated() { content.rates.append(try row.exchange("rates[\(index)]")) }
        return content
    }
}

extension PriceEntryView {
    fileprivate func entry(_ path: String) throws(Problem) -> PriceEntry {
        PriceEntry(
            model: model, provider: provider,
            operation: try operation.map { text throws(Problem) in
                try checkedOperation(text, parameter: path + ".operation")
            },
            meter: try Checks.oneOf(Meter.self, meter, parameter: path + ".meter"), size: size, steps: steps,
            above: Int64(above ?? 0), price: try price.price(path + ".price"))
    }
}

extension UnitPriceView {
    fileprivate func price(_ path: String) throws(Problem) -> UnitPrice {
        let currency = try Checks.currency(currency, parameter: path + ".currency")
        return UnitPrice(
            units: try amount.units(.money(currency), parameter: path + ".amount"), currency: currency,
            per: try perWholes(per, parameter: path + ".per"))
    }
}

extension UMUConversionView {
    fileprivate func conversion(_ path: String) throws(Problem) -> UMUConversion {
        UMUConversion(
            model: model, meter: try Checks.oneOf(Meter.self, meter, parameter: path + ".meter"),
            millionths: try umu.units(.umu, parameter: path + ".umu"), per: try perWholes(per, parameter: path + ".per")
        )
    }
}

extension ExchangeRateView {
    fileprivate func exchange(_ path: String) throws(Problem) -> ExchangeRate {
        guard let billionths = DecimalText.units(rate.text, scale: Self.scale), billionths > 0 else {
            throw Problem(
                .validationError, "`\(path).rate` is no decimal above 0 with at most \(Self.scale) digits.",
                parameter: path + ".rate")
        }
        return ExchangeRate(
            from: try Checks.currency(from, parameter: path + ".from"),
            to: try Checks.currency(to, parameter: path + ".to"), billionths: billionths, day: day)
    }
}

private func checkedOperation(_ text: String, parameter: String) throws(Problem) -> String {
    try Checks.oneOf(Inference.Operation.self, text, parameter: parameter).rawValue
}

private func perWholes(_ per: Int, parameter: String) throws(Problem) -> Int64 {
    guard [1, 1000, 1_000_000].contains(per) else {
        throw Problem(
            .validationError, "`\(parameter)` must be 1, 1000 or 1000000.", parameter: parameter,
            hint: "It says for how many tokens the price is.")
    }
    return Int64(per)
}

// The other direction, for whoever has read a book from a file.
extension NewPriceBook {
    package init(kind: String?, effective: Instant?, content: PriceBook.Content) {
        self.init(
            kind: kind, effective: effective, prices: content.entries.map(PriceEntryView.init),
            umu: content.conversions.map(UMUConversionView.init),
            umuPrice: content.umuPrice.map(UnitPriceView.init), rates: content.rates.map(ExchangeRateView.init))
    }
}
