package import Billing
package import Inference

/// Who pays for what, by how a request ended.
///
/// | status           | the tenant pays and its budgets count                          | a request counts as one  |
/// |------------------|----------------------------------------------------------------|--------------------------|
/// | `succeeded`      | what was counted                                               | always                   |
/// | `client_closed`  | what was produced until it left                                | if anything was produced |
/// | `truncated`      | what was passed on before the upstream broke off               | if anything was produced |
/// | `timed_out`      | what was passed on before the limit; nothing before an answer  | if anything was produced |
/// | `interrupted`    | what the journal's last progress says; nothing without one     | if anything was produced |
/// | `rejected`       | nothing                                                        | no                       |
/// | `failed`         | nothing                                                        | no                       |
///
/// | an attempt's cost | what it costs us                                                                   |
/// |-------------------|------------------------------------------------------------------------------------|
/// | `confirmed`       | what the upstream counted, whatever the tenant pays                                |
/// | `estimated`       | what passed through                                                                |
/// | `unknown`         | what is certain: what passed through. Its bill may say more: the state stays       |
/// | `none`            | nothing                                                                            |
///
/// The usage of a request is its last attempt's. Those before it cost what is not known here, and are booked from the
/// provider's bill.
package enum ChargeRules {
    /// What the tenant pays for, and what its budgets and quotas count.
    package static func charged(_ record: UsageRecord) -> Quantities {
        switch record.status {
        case .succeeded: return quantities(record.usage, requests: 1)
        case .rejected, .failed: return Quantities()
        case .clientClosed, .truncated, .timedOut, .interrupted:
            let produced = quantities(record.usage, requests: 0)
            return produced == Quantities() ? produced : quantities(record.usage, requests: 1)
        }
    }

    /// What an attempt costs us for.
    package static func consumed(_ record: UsageRecord, by attempt: Attempt) -> Quantities {
        guard attempt.number == record.attempts.last?.number else { return Quantities() }
        switch attempt.cost {
        case .none: return Quantities()
        case .confirmed, .estimated, .unknown:
            let produced = quantities(record.usage, requests: 0)
            return produced == Quantities() && attempt.cost == .unknown
                ? produced : quantities(record.usage, requests: 1)
        }
    }

    /// Parts that are larger than their whole are cut: an upstream's word is no reason for a price below zero.
    private static func quantities(_ usage: Usage, requests: Int64) -> Quantities {
        let (input, output) = (max(0, usage.inputTokens), max(0, usage.outputTokens))
        let cached = min(max(0, usage.cachedTokens), input)
        let reasoning = min(max(0, usage.reasoningTokens), output)
        var quantities = Quantities()
        quantities.input = Int64(input - cached)
        quantities.cachedInput = Int64(cached)
        quantities.output = Int64(output - reasoning)
        quantities.reasoning = Int64(reasoning)
        quantities.requests = requests
        return quantities
    }
}
