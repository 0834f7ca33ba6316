import Billing
import Flows
import Inference
import Kernel

/// The settlements of a batch whose transfers differ in amount alone, and what each of them has in its bundle.
struct Bundles {
    /// Requests that have the same lines.
    fileprivate struct Candidate {
        let lines: [Transfer]
        var members: [Int]
        var sums: [Int64]
        var accepted: Instant
        /// A sum does not fit.
        var isTooMuch = false
    }

    /// What most lines differ in first: who pays, and out of which escrow.
    private struct Payer: Hashable {
        let debit: AccountID
        let escrow: EscrowID?
    }

    private var candidates: [Candidate] = []
    private var places: [Payer: [Int]] = [:]
    /// The one that took the last request, and so likely takes the next.
    private var last = 0
    /// The bundle of each settlement, by its place in the batch; nil for those that are in none.
    private(set) var numbers: [Int?]
    private var count = 0
    /// Transfers that name every account and escrow of the batch.
    private(set) var naming: [Transfer] = []

    /// - Parameter settlements: of which nothing is posted.
    init(of settlements: [Settlement]) {
        numbers = Array(repeating: nil, count: settlements.count)
        for (place, settlement) in settlements.enumerated() {
            let isIn = Self.fits(settlement) && add(settlement.transfers, at: place)
            if !isIn { naming += settlement.transfers }
        }
    }

    /// Accepts each bundle that has enough requests, as one transfer for each line. A line that finds no place
    /// leaves the whole bundle out: its requests are booked one by one.
    mutating func post(to rows: inout LedgerRows, as posting: PostingID, atLeast fewest: Int) {
        for candidate in candidates where candidate.members.count >= fewest && !candidate.isTooMuch {
            let lines = candidate.transfers(posting, number: count)
            guard !lines.isEmpty, rows.add(group: lines) == nil else { continue }
            for place in candidate.members { numbers[place] = count }
            count += 1
        }
    }

    /// All of them, as the posting's digest has them.
    /// - Parameter batch: of the settlements that it was made of.
    func shares(of batch: SettlementBatch) -> [BundleShare] {
        var shares: [BundleShare] = []
        shares.reserveCapacity(batch.order.count)
        for place in batch.order {
            guard let number = numbers[place] else { continue }
            let settlement = batch.settlements[place]
            shares.append(
                BundleShare(
                    request: settlement.record.request, bundle: number,
                    amounts: settlement.transfers.map(\.amount.units)))
        }
        return shares
    }

    // MARK: Who may be together

    /// Whether all that it posts is what a share can say, if its transfers are also well named.
    private static func fits(_ settlement: Settlement) -> Bool {
        let transfers = settlement.transfers
        let request = settlement.record.request
        let accepted = settlement.record.started
        // By their places, here and below: a transfer is too large to be copied for each look at it.
        return settlement.suspended == nil && (1...BundleLine.most).contains(transfers.count)
            && transfers.indices.allSatisfy { place in
                transfers[place].amount.units > 0 && transfers[place].request == request
                    && transfers[place].accepted == accepted
            }
    }

    /// - Returns: false where it can be in no bundle.
    private mutating func add(_ transfers: [Transfer], at place: Int) -> Bool {
        // Names that are those of lines are good ones.
        if last < candidates.count, candidates[last].agrees(with: transfers) {
            candidates[last].add(transfers, at: place)
            return true
        }
        let payer = Payer(debit: transfers[0].debit, escrow: transfers[0].escrow)
        if let known = places[payer]?.first(where: { candidates[$0].agrees(with: transfers) }) {
            candidates[known].add(transfers, at: place)
            last = known
            return true
        }
        guard transfers.allSatisfy({ $0.id.isWellFormed && $0.name != nil }) else { return false }
        naming += transfers
        last = candidates.count
        places[payer, default: []].append(last)
        candidates.append(
            Candidate(
                lines: transfers, members: [place], sums: transfers.map(\.amount.units),
                accepted: transfers[0].accepted))
        return true
    }
}

extension Bundles.Candidate {
    fileprivate func agrees(with transfers: [Transfer]) -> Bool {
        lines.count == transfers.count
            && lines.indices.allSatisfy { place in
                lines[place].debit == transfers[place].debit && lines[place].credit == transfers[place].credit
                    && lines[place].escrow == transfers[place].escrow && lines[place].kind == transfers[place].kind
                    && lines[place].reason == transfers[place].reason
                    && lines[place].amount.asset == transfers[place].amount.asset
                    && lines[place].name == transfers[place].name
            }
    }

    fileprivate mutating func add(_ transfers: [Transfer], at place: Int) {
        members.append(place)
        accepted = min(accepted, transfers[0].accepted)
        for line in sums.indices {
            let (sum, overflow) = sums[line].addingReportingOverflow(transfers[line].amount.units)
            sums[line] = sum
            isTooMuch = isTooMuch || overflow
        }
    }

    /// - Returns: nothing where a line's name leaves no room for the posting's.
    fileprivate func transfers(_ posting: PostingID, number: Int) -> [Transfer] {
        let transfers = lines.enumerated().map { place, line in
            Transfer(
                id: TransferID("\(posting)/\(number)/" + (line.name ?? "")), kind: line.kind, reason: line.reason,
                debit: line.debit, credit: line.credit, amount: Amount(units: sums[place], line.amount.asset),
                escrow: line.escrow, accepted: accepted,
                bundle: BundleLine(bundle: number, line: place, requests: members.count))
        }
        return transfers.allSatisfy(\.id.isWellFormed) ? transfers : []
    }
}

extension Transfer {
    /// What follows its request in its identifier.
    fileprivate var name: String? { request.flatMap { id.name(in: $0) } }
}
