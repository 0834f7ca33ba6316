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
    /// The bundle of each settlement, by its place in the batch; nil for those that are in none.
    private(set) var numbers: [Int?]
    private var count = 0
    /// Transfers that name every account and escrow of the batch.
    private(set) var naming: [Transfer] = []

    /// - Parameter settlements: of which nothing is posted.
    init(of settlements: [Settlement]) {
        numbers = Array(repeating: nil, count: settlements.count)
        for (place, settlement) in settlements.enumerated() {
            if Self.fits(settlement) {
                add(settlement.transfers, at: place)
            } else {
                naming += settlement.transfers
            }
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
    func shares(of settlements: [Settlement]) -> [BundleShare] {
        zip(settlements, numbers).compactMap { settlement, number in
            guard let number else { return nil }
            return BundleShare(
                request: settlement.record.request, bundle: number,
                amounts: settlement.transfers.map(\.amount.units))
        }.sorted { $0.request < $1.request }
    }

    // MARK: Who may be together

    /// Whether all that it posts is what a share can say.
    private static func fits(_ settlement: Settlement) -> Bool {
        let transfers = settlement.transfers
        let record = settlement.record
        return settlement.suspended == nil && (1...BundleLine.most).contains(transfers.count)
            && transfers.allSatisfy { transfer in
                transfer.amount.units > 0 && transfer.request == record.request
                    && transfer.accepted == record.started && transfer.id.isWellFormed
                    && transfer.id.isNamed(after: record.request)
            }
    }

    private mutating func add(_ transfers: [Transfer], at place: Int) {
        let payer = Payer(debit: transfers[0].debit, escrow: transfers[0].escrow)
        if let known = places[payer]?.first(where: { candidates[$0].agrees(with: transfers) }) {
            return candidates[known].add(transfers, at: place)
        }
        naming += transfers
        places[payer, default: []].append(candidates.count)
        candidates.append(
            Candidate(
                lines: transfers, members: [place], sums: transfers.map(\.amount.units),
                accepted: transfers[0].accepted))
    }
}

extension Bundles.Candidate {
    fileprivate func agrees(with transfers: [Transfer]) -> Bool {
        guard lines.count == transfers.count else { return false }
        return zip(lines, transfers).allSatisfy { line, other in
            line.debit == other.debit && line.credit == other.credit && line.escrow == other.escrow
                && line.kind == other.kind && line.reason == other.reason && line.amount.asset == other.amount.asset
                && line.name == other.name
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
