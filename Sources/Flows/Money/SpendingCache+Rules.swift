import Billing
import Inference
import Kernel
import Synchronization

/// A key's rules, arranged for being asked at every request.
final class KeyRules: Sendable {
    /// Some 500 bytes each, and the books and the deployment that they were worked out from, as long as the rules are
    /// kept.
    private static let mostTerms = 4

    let spender: Spender
    let rules: SpendingRules
    /// Walls, and what only counts.
    let hard: [BoundBudget]
    let soft: [BoundBudget]
    /// Whether output needs a cap for a request to have an upper bound.
    let needsCap: Bool
    /// No credit and nobody to owe: nothing with a price runs without credit.
    let isPrepaid: Bool
    /// The number of the last change that is certainly in it.
    let version: Int64
    /// By the monotonic clock, from before the read.
    let read: Duration
    /// When it must be read anew.
    let until: Duration?
    private let hasModelLimits: Bool
    /// Of the deployments that it asked last, the latest last.
    private let terms = Mutex<[AdmissionTerms]>([])

    init(spender: Spender, rules: SpendingRules, version: Int64, read: Duration, until: Duration?) {
        self.spender = spender
        self.rules = rules
        self.version = version
        self.read = read
        self.until = until
        hard = rules.budgets.filter(\.budget.isHard).map(BoundBudget.init)
        soft = rules.budgets.filter { !$0.budget.isHard }.map(BoundBudget.init)
        isPrepaid = rules.receivables.isEmpty
        needsCap = isPrepaid || hard.contains { $0.isCappedByOutput }
        hasModelLimits = rules.limits.contains { $0.model != nil }
    }

    /// How much there is to remember.
    var rows: Int { rules.budgets.count + rules.limits.count + rules.funds.count }

    func limits(for model: ModelNames) -> [RateLimit] {
        hasModelLimits ? rules.limits.filter { $0.binds(model) } : rules.limits
    }

    /// What its requests to a deployment have in common, from memory while nothing of it has changed.
    func terms(
        on deployment: Deployment, _ operation: Operation, _ inForce: BooksInForce, of books: PriceBooks,
        at time: Instant
    ) -> AdmissionTerms {
        let known = terms.withLock { terms in
            terms.last { $0.basis.isSurely(of: deployment, operation, inForce, at: time) }
        }
        return known ?? terms(on: AdmissionBasis(deployment, operation, inForce, of: books, at: time))
    }

    private func terms(on basis: AdmissionBasis) -> AdmissionTerms {
        let known = terms.withLock { terms in terms.last { $0.basis.isIdentical(to: basis) } }
        if let known { return known }
        let made = AdmissionTerms(of: self, on: basis)
        terms.withLock { terms in
            terms.removeAll { $0.basis.isAbout(basis.deployment, basis.operation) }
            if terms.count >= Self.mostTerms { terms.removeFirst() }
            terms.append(made)
        }
        return made
    }
}

/// A budget with its pattern of models read. One reference: every request looks at those that bind it.
final class BoundBudget: Sendable {
    let active: ActiveBudget
    private let model: Model

    private enum Model: Sendable {
        case all
        case named(String)
        case beginning(String)
    }

    init(_ active: ActiveBudget) {
        self.active = active
        model =
            switch active.budget.scope.model {
            case nil, "*": .all
            case let name? where name.hasSuffix("*"): .beginning(String(name.dropLast()))
            case let name?: .named(name)
            }
    }

    var budget: Budget { active.budget }

    func binds(_ names: ModelNames) -> Bool {
        switch model {
        case .all: true
        case .named(let model): names.contains { $0 == model }
        case .beginning(let beginning): names.contains { $0.hasPrefix(beginning) }
        }
    }

    func binds(_ tags: [String]) -> Bool { budget.scope.tag.map(tags.contains) ?? true }

    /// What an answer's length does not change has an upper bound without a cap.
    var isCappedByOutput: Bool {
        switch budget.asset {
        case .money, .umu, .tokens: true
        case .audio, .gpu, .requests: false
        }
    }
}
