import Flows
import HTTPTypes
import Hummingbird
import Kernel
import Tenancy

extension NewPrice: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
    static var integers: [String] { [CodingKeys.per, .above, .steps].map(\.rawValue) }
    static var hints: [String: String] {
        let amounts: [CodingKeys] = [
            .input, .cachedInput, .output, .reasoning, .characters, .image, .audioSecond, .gpuSecond, .request,
        ]
        return amounts.reduce(into: MoneyHints.times) { $0[$1.rawValue] = DecimalInput.hint }
    }
}

extension NewPriceBook: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
    static var integers: [String] { [CodingKeys.after.rawValue] }
    static var hints: [String: String] { MoneyHints.times }
}

extension NewQuote: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
    static var integers: [String] {
        [
            CodingKeys.inputTokens, .cachedInputTokens, .outputTokens, .reasoningTokens, .maxTokens,
            .maxCompletionTokens, .n,
        ].map(\.rawValue)
    }
}

enum MoneyHints {
    static let times = ["effective": time, "expires": time]
    static let time = "Write a time as RFC 3339: 2027-01-31T00:00:00Z."
}

extension ControlAPI {
    var priceRoutes: [Route] {
        [
            .admin(.post, "prices", .priceWrite) { asked in
                try .created(await asked.control.setPrice(asked.body(NewPrice.self)))
            },
            .admin(.post, "prices/import", .priceWrite) { asked in
                try .created(await asked.control.importPrices(asked.body(NewPriceBook.self)))
            },
            .admin(.get, "prices", .billingRead, or: .priceWrite) { asked in
                let query = try asked.query("kind", "limit", "after")
                return try .json(await asked.control.priceVersions(of: query.text("kind"), query.numberedPage()))
            },
            .admin(.get, "prices/:version", .billingRead, or: .priceWrite) { asked in
                let query = try asked.query("kind")
                return try .json(
                    await asked.control.priceBook(of: query.text("kind"), version: asked.bookVersion()))
            },
            Route(
                .post, "/v1/quotes", .permission(.inferenceExecute),
                .admin { asked in try .json(await asked.control.quote(asked.body(NewQuote.self))) }),
        ]
    }
}

extension AdminRequest {
    /// Nil for `current`.
    fileprivate func bookVersion() throws(Problem) -> Int? {
        let text = context.parameters.get("version") ?? ""
        if text == "current" { return nil }
        guard let version = Int(text), version > 0 else {
            throw Problem(
                .notFound, "The path names no version of a price book.", parameter: "version",
                hint: "Give its number, or `current` for the one in force.")
        }
        return version
    }
}
