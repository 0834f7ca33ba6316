import Flows
import FoundationEssentials
import HTTPTypes
import Kernel
import Tenancy

extension ControlAPI {
    var ledgerRoutes: [Route] {
        [
            .admin(.get, "ledger/balance", .billingRead) { asked in
                let query = try asked.query("tenant", "workspace")
                return try .json(
                    await asked.control.balance(
                        of: query.identifier("tenant"), workspace: query.identifier("workspace")))
            },
            .admin(.get, "ledger/accounts", .billingRead, or: .ledgerVerify) { asked in
                let query = try asked.query("tenant", "workspace", "platform", "limit", "after")
                let accounts = try await asked.control.accounts(
                    of: query.identifier("tenant"), workspace: query.identifier("workspace"),
                    isPlatform: query.flag("platform"))
                return try .json(query.page(of: accounts) { $0.id.description })
            },
            .admin(.get, "ledger/accounts/:id", .billingRead, or: .ledgerVerify) { asked in
                try .json(await asked.control.account(asked.identifier()))
            },
            .admin(.get, "ledger/statement", .billingRead, or: .ledgerVerify) { asked in
                let query = try asked.query("account", "workspace", "currency", "from", "to", "limit", "after")
                var request = try query.statement()
                request.account = try query.identifier("account")
                return try .json(await asked.control.statement(request, query.anyPage()))
            },
            .admin(.get, "ledger/requests/:id", .billingRead, or: .ledgerVerify) { asked in
                try .json(await asked.control.entries(of: asked.identifier()))
            },
            .admin(.get, "ledger/verify", .ledgerVerify) { asked in
                try .json(await asked.control.verifyLedger())
            },
            .admin(.get, "suspense", .ledgerVerify) { asked in
                let query = try asked.query("limit", "after")
                return try .json(await asked.control.suspended(query.page(of: Kernel.RequestID.self)))
            },
            .admin(.post, "suspense/resolve", .creditWrite) { asked in
                try .json(await asked.control.resolveSuspense())
            },
            Route(
                .get, "/v1/billing/balance", .permission(.billingRead),
                .admin { asked in
                    let query = try asked.query("workspace")
                    return try .json(await asked.control.balance(of: nil, workspace: query.identifier("workspace")))
                }),
            Route(
                .get, "/v1/billing/statements", .permission(.billingRead),
                .admin { asked in
                    let query = try asked.query("workspace", "currency", "from", "to", "limit", "after")
                    return try .json(await asked.control.statement(query.statement(), query.anyPage()))
                }),
        ]
    }
}

extension Query {
    fileprivate func statement() throws(Problem) -> StatementRequest {
        StatementRequest(
            workspace: try identifier("workspace"), currency: try text("currency"), from: try time("from"),
            until: try time("to"))
    }

    private func time(_ name: String) throws(Problem) -> Instant? {
        guard let text = try text(name) else { return nil }
        let whole = text.utf8.count == 10 ? text + "T00:00:00Z" : text
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: whole.contains("."))
        // Far enough from where 64 bits of microseconds end.
        guard whole.utf8.count <= 40, let date = try? style.parse(whole), abs(date.timeIntervalSince1970) < 1e11
        else {
            throw Problem(
                .validationError, "`\(name)` is neither a day nor a time.", parameter: name,
                hint: "Write 2026-11-21, or 2026-11-21T08:30:00Z.")
        }
        return Instant(date)
    }
}
