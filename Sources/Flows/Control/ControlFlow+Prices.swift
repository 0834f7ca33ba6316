import Billing
package import Kernel
import Tenancy

extension ControlFlow {
    /// How often a version is written anew over one that somebody else wrote meanwhile.
    private static let tries = 5

    package func setPrice(_ request: NewPrice) async throws -> PriceVersionView {
        try await gate.authorize(.priceWrite, on: .platform, as: "price.set")
        let kind = try bookKind(request.kind)
        let model = try await pricedModel(request.model)
        let entries = try request.entries(currency: currency(request.currency), model: model)
        let money = try money
        for attempt in 1... {
            let effective = try effectiveTime(request.effective)
            let last = try await money.prices.heads()[kind] ?? 0
            let books = try await money.prices.current(kind, at: effective)
            let base = Self.book(in: books, at: effective)
            var content = base?.content ?? PriceBook.Content()
            content.entries.removeAll { old in entries.contains { $0.isFor(old) } }
            content.entries += entries
            try check(content)
            if let base, base.version == last, base.content.says(content) {
                return try await view(of: base, money)
            }
            do {
                return try await add(content, to: kind, effective: effective, after: last, money)
            } catch let problem as Problem where problem.code == .conflict && attempt < Self.tries {
                continue
            }
        }
        throw Problem(.conflict)
    }

    package func importPrices(_ request: NewPriceBook) async throws -> PriceVersionView {
        try await gate.authorize(.priceWrite, on: .platform, as: "price.import")
        let kind = try bookKind(request.kind)
        let content = try await withOwnNames(request.content())
        try check(content)
        let money = try money
        let effective = try effectiveTime(request.effective)
        let head = try await money.prices.heads()[kind] ?? 0
        let last = request.after ?? head
        let base = Self.book(in: try await money.prices.current(kind, at: effective), at: effective)
        // Whoever imports a file again and again, as programs do, makes one version of it.
        if last == head, let base, base.version == head, base.content.says(content) {
            return try await view(of: base, money)
        }
        return try await add(content, to: kind, effective: effective, after: last, money)
    }

    package func priceVersions(of kind: String?, _ page: PageRequest) async throws -> Page<PriceVersionView> {
        let kind = try bookKind(kind)
        try await mayRead(kind, as: "price.list")
        return try await money.prices.versions(of: kind, page: page).map(PriceVersionView.init)
    }

    package func priceBook(of kind: String?, version: Int?) async throws -> PriceBookView {
        let kind = try bookKind(kind)
        try await mayRead(kind, as: "price.read")
        let found: PriceBook?
        if let version {
            found = try await money.prices.book(kind, version: version)
        } else {
            found = Self.book(in: try await money.prices.current(kind, at: now), at: now)
        }
        guard let found else {
            throw Problem(
                .notFound, version.map { "There is no version \($0) of this book." } ?? "No prices are in force yet.",
                parameter: "version", hint: "`volery prices list` shows the versions; `volery prices set` makes one.")
        }
        return PriceBookView(found)
    }

    // MARK: Parts

    /// Of those with the same time the higher version counts.
    static func book(in books: [PriceBook], at time: Instant) -> PriceBook? {
        books.filter { $0.effective <= time }.max { ($0.effective, $0.version) < ($1.effective, $1.version) }
    }

    private func add(
        _ content: PriceBook.Content, to kind: PriceBook.Kind, effective: Instant, after: Int, _ money: MoneyParts
    ) async throws -> PriceVersionView {
        let book = try await money.prices.add(
            content, to: kind, effective: effective, after: after,
            by: act(["kind": kind.rawValue, "entries": "\(content.entries.count)"]))
        await money.actions.didChange()
        return try await view(of: book, money)
    }

    private func view(of book: PriceBook, _ money: MoneyParts) async throws -> PriceVersionView {
        let current = try await money.prices.current(book.kind, at: book.effective)
        let next = current.filter { $0.effective > book.effective }
            .min { ($0.effective, -$0.version) < ($1.effective, -$1.version) }
        return PriceVersionView(book, next: next)
    }

    func bookKind(_ text: String?) throws(Problem) -> PriceBook.Kind {
        try Checks.oneOf(PriceBook.Kind.self, text ?? PriceBook.Kind.price.rawValue, parameter: "kind")
    }

    private func mayRead(_ kind: PriceBook.Kind, as act: String) async throws {
        switch kind {
        case .price: try await mayAnywhere(.billingRead, as: act)
        case .cost: try await gate.authorize(.priceWrite, on: .platform, as: act)
        }
    }

    private func pricedModel(_ text: String) async throws -> String {
        try await ownName(of: modelPattern(text) ?? text, parameter: "model")
    }

    /// Settling knows a model by its own name alone.
    private func withOwnNames(_ content: PriceBook.Content) async throws -> PriceBook.Content {
        var content = content
        for index in content.entries.indices {
            content.entries[index].model = try await ownName(
                of: content.entries[index].model, parameter: "prices[\(index)].model")
        }
        for index in content.conversions.indices {
            content.conversions[index].model = try await ownName(
                of: content.conversions[index].model, parameter: "umu[\(index)].model")
        }
        return content
    }

    /// What was accepted keeps the price that it was accepted at, so no version begins in the past.
    private func effectiveTime(_ wanted: Instant?) throws(Problem) -> Instant {
        guard let wanted else { return now }
        guard wanted >= now else {
            throw Problem(
                .validationError, "`effective` lies in the past.", parameter: "effective",
                hint: "Requests keep the price of their time. Leave it out for a version that is in force at once.")
        }
        return wanted
    }

    private func check(_ content: PriceBook.Content) throws(Problem) {
        let problems = content.problems
        guard let first = problems.first else { return }
        let others = problems.count > 1 ? " There are \(problems.count - 1) more problems." : ""
        throw Problem(
            .validationError, "The book cannot be used: \(InferenceFlow.printable(first)).\(others)",
            parameter: "prices")
    }
}

extension PriceBook.Content {
    /// Whether it says the same. Of its rows only the prices of UMU have an order.
    fileprivate func says(_ other: PriceBook.Content) -> Bool {
        Set(entries) == Set(other.entries) && Set(conversions) == Set(other.conversions)
            && umuPrice == other.umuPrice && Set(rates) == Set(other.rates)
    }
}

extension PriceEntry {
    /// Whether it says the price of the same thing.
    fileprivate func isFor(_ other: PriceEntry) -> Bool {
        model == other.model && provider == other.provider && operation == other.operation && meter == other.meter
            && size == other.size && steps == other.steps && above == other.above
    }
}
