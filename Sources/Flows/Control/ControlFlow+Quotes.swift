import Billing
import FoundationEssentials
import Inference
import Kernel
import Tenancy

extension ControlFlow {
    package func quote(_ request: NewQuote) async throws -> QuoteView {
        let workspace = try await self.workspace(named: request.workspace)
        var target = target(workspace)
        let names = await models(named: request.model, in: .production).first ?? ModelNames(request.model)
        target = Target(
            Resource(tenant: workspace.value.tenant, workspace: workspace.value.id, model: names),
            subject: target.subject, missing: target.missing)
        try await gate.authorize(.inferenceExecute, on: target, as: "price.quote")
        let quantities = try request.quantities()
        let operation = try Checks.oneOf(
            Inference.Operation.self, request.operation ?? Inference.Operation.chat.rawValue, parameter: "operation")
        let money = try money
        guard let book = Self.book(in: try await money.prices.current(.price, at: now), at: now) else {
            throw missing(request.model)
        }
        let name = ModelName(request.model)
        let deployment = name.flatMap { parts.registry.registry.snapshot.deployments(of: $0).first }
        let provider = try await provider(of: deployment)
        let subject = PricedSubject(
            model: names.own, provider: provider, operation: operation.rawValue)
        guard let rates = PriceTable(book).rates(for: subject) else { throw missing(request.model) }
        let rules = try await rules(in: workspace.value, money)
        let currency = rules?.currency ?? rates.currency
        let figures = try Figures(rates, quantities, in: currency, model: request.model)
        let refusal = try await rules.asyncMap { rules in
            try await self.refusal(
                rules, model: names, tags: request.tags ?? [], quantities, rates, figures.bound, money)
        }
        var view = QuoteView(
            model: subject.model, operation: operation.rawValue, price: figures.price, bound: figures.bound,
            umu: figures.umu.map { Amount(units: $0.millionths, .umu).text }, priceVersion: book.version,
            inputTokens: Int(quantities.input + quantities.cachedInput),
            outputTokens: Int(quantities.output + quantities.reasoning))
        view.admitted = refusal.map { $0 == nil }
        view.refusal = refusal ?? nil
        return view
    }

    // MARK: Parts

    private struct Figures {
        let price: Amount
        let bound: Amount
        let umu: UMU?

        init(_ rates: ModelRates, _ quantities: Quantities, in currency: Currency, model: String) throws(Problem) {
            do {
                price = Amount(units: try rates.amount(of: quantities, in: currency), .money(currency))
                bound = Amount(units: try rates.ceiling(of: quantities, in: currency), .money(currency))
            } catch {
                let hint =
                    switch error {
                    case .overflow: "Ask for fewer tokens."
                    case .noRate: "Ask the operator for the rate, under `rates:` in the price file."
                    case .unpriced: "Ask the operator for a price of it; 0 says that it is free."
                    }
                throw Problem(
                    .validationError, "The price book cannot price this: \(error).", parameter: "model", hint: hint)
            }
            umu = rates.umu(of: quantities)
        }
    }

    private func missing(_ model: String) -> Problem {
        Problem(
            .priceMissing, "Nothing prices the model `\(InferenceFlow.printable(String(model.prefix(128))))`.",
            parameter: "model", hint: "`volery prices show` says what has a price.")
    }

    private func provider(of deployment: Deployment?) async throws -> String? {
        guard let id = deployment?.provider else { return nil }
        return try await stores.providers.all().first { $0.id == id }?.name
    }

    /// What binds the caller's key; nil for a caller without one.
    private func rules(in workspace: Workspace, _ money: MoneyParts) async throws -> SpendingRules? {
        guard case .key(let key) = caller.principal.identity else { return nil }
        return try await money.spending.rules(
            for: Spender(
                tenant: workspace.tenant, workspace: workspace.id, key: key, user: caller.principal.user)
        ).0
    }

    /// The first hard budget without room, else credit without room; nil when it would be admitted now.
    private func refusal(
        _ rules: SpendingRules, model: ModelNames, tags: [String], _ quantities: Quantities, _ rates: ModelRates,
        _ bound: Amount, _ money: MoneyParts
    ) async throws -> QuoteRefusal? {
        for active in rules.budgets where active.budget.isHard && active.budget.scope.binds(model, tags) {
            let asset = active.budget.asset
            guard let needed = Self.needed(of: asset, quantities, rates) else { continue }
            let sums = try await money.ledger.account(active.account)?.sums ?? AccountSums()
            let available = sums.available(limit: active.budget.amount)
            if available < needed {
                var refusal = QuoteRefusal(
                    reason: "budget", needed: Amount(units: needed, asset),
                    available: Amount(units: available, asset))
                refusal.budget = active.budget.id
                refusal.resets = active.ends
                return refusal
            }
        }
        guard rules.receivables.isEmpty else { return nil }
        var available: Int64 = 0
        for fund in rules.funds {
            guard let found = try await money.ledger.account(fund.account) else { continue }
            let (sum, overflow) = available.addingReportingOverflow(found.sums.available(limit: 0))
            available = overflow ? .max : sum
        }
        guard available < bound.units else { return nil }
        return QuoteRefusal(
            reason: "credit", needed: bound, available: Amount(units: available, bound.asset))
    }

    /// Nil for what a quote does not know: seconds of audio and of GPUs.
    private static func needed(of asset: Asset, _ quantities: Quantities, _ rates: ModelRates) -> Int64? {
        switch asset {
        case .money(let currency): try? rates.ceiling(of: quantities, in: currency)
        case .umu: rates.umu(of: quantities)?.millionths
        case .tokens: quantities.tokens
        case .requests: 1
        case .audio, .gpu: nil
        }
    }
}

extension Budget.Scope {
    fileprivate func binds(_ names: ModelNames, _ tags: [String]) -> Bool {
        if let tag, !tags.contains(tag) { return false }
        return model.map(names.match) ?? true
    }
}

extension Optional {
    fileprivate func asyncMap<Value>(_ body: (Wrapped) async throws -> Value) async throws -> Value? {
        guard let wrapped = self else { return nil }
        return try await body(wrapped)
    }
}

extension NewQuote {
    private static let most = 1_000_000_000

    /// What stands around the messages.
    private static let frame = 128

    /// A prompt has at most as many tokens as bytes, as the gateway bounds it.
    fileprivate func quantities() throws(Problem) -> Quantities {
        let given: [(String, Int?)] = [
            ("input_tokens", inputTokens), ("cached_input_tokens", cachedInputTokens), ("output_tokens", outputTokens),
            ("reasoning_tokens", reasoningTokens), ("max_tokens", maxTokens),
            ("max_completion_tokens", maxCompletionTokens),
        ]
        for (name, value) in given {
            guard let value, !(0...Self.most).contains(value) else { continue }
            throw Problem(.validationError, "`\(name)` must be 0 to \(Self.most).", parameter: name)
        }
        guard (1...128).contains(n ?? 1) else {
            throw Problem(.validationError, "`n` must be 1 to 128.", parameter: "n")
        }
        let hasInput = inputTokens != nil || messages != nil
        let output = outputTokens ?? maxCompletionTokens ?? maxTokens
        guard hasInput || output != nil else {
            throw Problem(
                .validationError, "It says nothing of the request.", parameter: "input_tokens",
                hint: "Give `input_tokens` and `output_tokens`, or a chat's `messages` and `max_tokens`.")
        }
        let prompt = (messages ?? []).reduce(messages == nil ? 0 : Self.frame) { $0 + $1.most }
        var quantities = Quantities()
        quantities.input = Int64(inputTokens ?? prompt)
        quantities.cachedInput = Int64(cachedInputTokens ?? 0)
        quantities.output = Int64((output ?? 0) * (n ?? 1))
        quantities.reasoning = Int64(reasoningTokens ?? 0)
        quantities.requests = 1
        return quantities
    }
}
