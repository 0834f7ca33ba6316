extension AccessCase {
    static let money: [String: AccessCase] = [prices, budgets, credit, ledger].reduce(into: [:]) { all, some in
        all.merge(some) { first, _ in first }
    }

    private static let prices: [String: AccessCase] = [
        "POST /v1/admin/prices": AccessCase(
            .platform, body: { _ in #"{"model": "m", "output": "1", "currency": "USD"}"# }),
        "POST /v1/admin/prices/import": AccessCase(.platform, body: { _ in #"{"prices": []}"# }),
        "GET /v1/admin/prices": AccessCase(.caller),
        "GET /v1/admin/prices/:version": AccessCase(.caller, id: { _ in "current" }),
        "POST /v1/quotes": AccessCase(
            .inference, body: { #"{"model": "m", "output_tokens": 5, "workspace": "\#($0.workspace)"}"# }),
    ]

    private static let budgets: [String: AccessCase] = [
        "PUT /v1/admin/budgets": AccessCase(
            .tenant, body: { #"{"workspace": "\#($0.workspace)", "amount": "1", "unit": "tokens"}"# }),
        "GET /v1/admin/budgets": AccessCase(.tenant, query: { "workspace=\($0.workspace)" }),
        "GET /v1/admin/budgets/:id": AccessCase(.tenant, id: { "\($0.budget)" }),
        "DELETE /v1/admin/budgets/:id": AccessCase(.tenant, id: { "\($0.budget)" }),
        "GET /v1/admin/budgets/:id/events": AccessCase(.tenant, id: { "\($0.budget)" }),
        "GET /v1/budgets": AccessCase(.tenant, query: { "workspace=\($0.workspace)" }),
        "PUT /v1/admin/limits": AccessCase(.tenant, body: { #"{"key": "\#($0.key)", "rpm": 5}"# }),
        "GET /v1/admin/limits": AccessCase(.tenant, query: { "tenant=\($0.tenant)" }),
    ]

    private static let credit: [String: AccessCase] = [
        "PUT /v1/admin/wallets": AccessCase(
            .platform, body: { #"{"tenant": "\#($0.tenant)", "mode": "prepaid", "currency": "USD"}"# }),
        "GET /v1/admin/wallets": AccessCase(.tenant, query: { "tenant=\($0.tenant)" }),
        "DELETE /v1/admin/wallets": AccessCase(.platform, query: { "tenant=\($0.tenant)" }),
        "DELETE /v1/admin/credits/:id": AccessCase(.platform, id: { "\($0.grant)" }),
        "DELETE /v1/admin/plans/current": AccessCase(.platform, query: { "tenant=\($0.tenant)" }),
        "POST /v1/admin/credits": AccessCase(
            .platform, body: { #"{"tenant": "\#($0.tenant)", "amount": 5, "currency": "USD"}"# }),
        "GET /v1/admin/credits": AccessCase(.tenant, query: { "workspace=\($0.workspace)" }),
        "GET /v1/admin/plans": AccessCase(.caller),
        "PUT /v1/admin/plans/current": AccessCase(
            .platform, body: { #"{"tenant": "\#($0.tenant)", "plan": "pro"}"# }),
        "GET /v1/admin/plans/current": AccessCase(.tenant, query: { "tenant=\($0.tenant)" }),
    ]

    private static let ledger: [String: AccessCase] = [
        "GET /v1/admin/ledger/balance": AccessCase(.tenant, query: { "workspace=\($0.workspace)" }),
        "GET /v1/admin/ledger/accounts": AccessCase(.tenant, query: { "tenant=\($0.tenant)" }),
        "GET /v1/admin/ledger/accounts/:id": AccessCase(.tenant, id: { "\($0.ledgerAccount)" }),
        "GET /v1/admin/ledger/statement": AccessCase(.tenant, query: { "account=\($0.ledgerAccount)" }),
        "GET /v1/admin/ledger/requests/:id": AccessCase(.tenant, id: { "\($0.request)" }),
        "GET /v1/admin/ledger/verify": AccessCase(.platform),
        "GET /v1/admin/suspense": AccessCase(.platform),
        "POST /v1/admin/suspense/resolve": AccessCase(.platform),
        "GET /v1/billing/balance": AccessCase(.tenant, query: { "workspace=\($0.workspace)" }),
        "GET /v1/billing/statements": AccessCase(.tenant, query: { "workspace=\($0.workspace)" }),
        "GET /v1/usage": AccessCase(.tenant, query: { "workspace=\($0.workspace)&group_by=day,model" }),
        "GET /v1/usage/rows": AccessCase(.tenant, query: { "workspace=\($0.workspace)&from=2020-01-01" }),
    ]
}
