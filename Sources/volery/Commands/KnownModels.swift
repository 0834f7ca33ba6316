import Flows
import Inference
import Kernel

/// The names of all models, to say what a name that somebody wrote means. Read before anything is changed, so that what
/// was done is never told as failed because of them.
struct KnownModels: Sendable {
    private let models: [ModelNames]

    init(_ control: any Control) async throws {
        // Those of other environments than production are only among the deployments.
        let deployed = try await control.listDeployments().map {
            ModelNames($0.model.text, aliases: $0.aliases.map(\.text))
        }
        models = deployed + (try await control.models().map { ModelNames($0.model, aliases: $0.aliases) })
    }

    /// Nil where the name is a model's own, or no single one.
    func ownName(of name: String) -> String? {
        guard !models.contains(where: { $0.own == name }) else { return nil }
        return models.first { $0.aliases.contains(name) }?.own
    }

    /// A line for each name that no model has: it may be a mistake, or of a model to come.
    func unknown(_ names: [String]) -> String {
        names.filter { name in !name.hasSuffix("*") && !models.contains { $0.match(name) } }
            .map { "No model has the name `\($0)` yet.\n" }.joined()
    }

    /// A line for each of these that no request would reach now.
    func unrouted(_ names: [String]) -> String {
        unknown(
            names.filter { name in
                // A version is one of a model.
                guard let mark = name.lastIndex(of: "@") else { return true }
                return !models.contains { $0.match(String(name[..<mark])) }
            })
    }

    /// Whether a price of this model, or of these, counts where a budget is for that one, or those.
    func price(of priced: String, countsFor bound: String) -> Bool {
        let bound = models.filter { $0.match(bound) } + [ModelNames(bound)]
        return bound.contains { $0.match(priced) }
    }
}

extension PriceBookView {
    /// Which models' prices do not lead to the budget's currency: under a wall their requests are refused.
    func warning(for budget: BudgetView, _ known: KnownModels) -> String? {
        guard budget.hard, let wanted = budget.limit.asset.currency?.rawValue else { return nil }
        let lost = prices.filter { row in
            let own = row.price.currency
            let leads = own == wanted || rates.contains { Set([$0.from, $0.to]) == [own, wanted] }
            return !leads && budget.model.map { known.price(of: row.model, countsFor: $0) } ?? true
        }
        let models = Set(lost.map(\.model)).sorted()
        guard !models.isEmpty else { return nil }
        let shown = models.prefix(3).map { "`\($0)`" }.joined(separator: ", ") + (models.count > 3 ? ", …" : "")
        let from = Set(lost.map(\.price.currency)).sorted().joined(separator: " or ")
        return "The price book has no rate from \(from) to \(wanted): this budget refuses requests to \(shown). "
            + "Give one under `rates:` of the price file: `volery prices export`, then `import`.\n"
    }
}
