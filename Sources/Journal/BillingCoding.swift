import Inference
import Kernel

/// What `open`, `close` and `settled` have since their second version: who pays, and from where.
enum BillingCoding {
    /// As many labels, and bytes of each, as are kept; the gateway takes fewer.
    private static let maximumTags = 16
    private static let tagLimit = 128

    private struct Flags: OptionSet {
        let rawValue: UInt8
        static let hasTenant = Flags(rawValue: 1)
        static let hasUser = Flags(rawValue: 2)
        static let hasTags = Flags(rawValue: 4)
        static let hasHold = Flags(rawValue: 8)
        static let hasProvider = Flags(rawValue: 16)
    }

    static func encode(_ billing: BillingFacts, into writer: inout ByteWriter) {
        var flags: Flags = []
        if billing.tenant != nil { flags.insert(.hasTenant) }
        if billing.user != nil { flags.insert(.hasUser) }
        if !billing.tags.isEmpty { flags.insert(.hasTags) }
        if billing.hold != .none { flags.insert(.hasHold) }
        if billing.provider != nil { flags.insert(.hasProvider) }
        writer.integer(flags.rawValue)
        if let tenant = billing.tenant { writer.id(tenant) }
        if let user = billing.user { writer.id(user) }
        if let provider = billing.provider { writer.id(provider) }
        if flags.contains(.hasTags) {
            writer.integer(UInt8(min(billing.tags.count, maximumTags)))
            for tag in billing.tags.prefix(maximumTags) { writer.text(tag, limit: tagLimit) }
        }
        if flags.contains(.hasHold) { encode(billing.hold, into: &writer) }
    }

    private static func encode(_ hold: Hold, into writer: inout ByteWriter) {
        writer.integer(UInt32(clamping: hold.prices))
        writer.integer(UInt32(clamping: hold.costs))
        writer.integer(UInt16(min(hold.parts.count, Hold.maximumParts)))
        for part in hold.parts.prefix(Hold.maximumParts) {
            writer.integer(part.role.rawValue)
            writer.integer(RecordCodes.code(of: part.asset))
            writer.id(part.account)
            writer.integer(part.amount)
            writer.integer(UInt8(part.escrow == nil ? 0 : 1))
            if let escrow = part.escrow { writer.id(escrow) }
        }
    }

    /// - Returns: nil for what was not written by this.
    static func decode(_ reader: inout ByteReader) throws(ByteReader.Exhausted) -> BillingFacts? {
        let flags = Flags(rawValue: try reader.integer())
        let tenant: TenantID? = flags.contains(.hasTenant) ? try reader.id() : nil
        let user: UserID? = flags.contains(.hasUser) ? try reader.id() : nil
        let provider: ProviderID? = flags.contains(.hasProvider) ? try reader.id() : nil
        var tags: [String] = []
        if flags.contains(.hasTags) {
            for _ in 0..<(try reader.integer(UInt8.self)) { tags.append(try reader.text()) }
        }
        guard let hold = flags.contains(.hasHold) ? try decodeHold(&reader) : Hold.none else { return nil }
        return BillingFacts(tenant: tenant, user: user, tags: tags, hold: hold, provider: provider)
    }

    private static func decodeHold(_ reader: inout ByteReader) throws(ByteReader.Exhausted) -> Hold? {
        let prices = Int(try reader.integer(UInt32.self))
        let costs = Int(try reader.integer(UInt32.self))
        let count = Int(try reader.integer(UInt16.self))
        var parts: [Hold.Part] = []
        parts.reserveCapacity(min(count, Hold.maximumParts))
        for _ in 0..<count {
            guard let role = Hold.Role(rawValue: try reader.integer()),
                let asset = RecordCodes.asset(of: try reader.integer())
            else { return nil }
            let account: AccountID = try reader.id()
            let amount: Int64 = try reader.integer()
            let escrow: EscrowID? = try reader.integer(UInt8.self) == 0 ? nil : try reader.id()
            parts.append(Hold.Part(role: role, account: account, escrow: escrow, amount: amount, asset: asset))
        }
        return Hold(prices: prices, costs: costs, parts: parts)
    }
}

/// The calls to upstreams in `close` and `settled`, since their second version; the third says whose endpoints they
/// went to.
enum AttemptsCoding {
    /// As many as are kept: the last ones, which cost.
    private static let maximum = 16
    /// Bytes of an upstream's own name for a call.
    private static let textLimit = 256

    /// The second version has the first of them alone.
    private struct Flags: OptionSet {
        let rawValue: UInt8
        static let hasUpstream = Flags(rawValue: 1)
        static let hasProvider = Flags(rawValue: 2)
        static let hasTold = Flags(rawValue: 4)
    }

    static func encode(_ attempts: [Attempt], into writer: inout ByteWriter) {
        writer.integer(UInt8(min(attempts.count, maximum)))
        for attempt in attempts.suffix(maximum) {
            writer.integer(UInt16(clamping: attempt.number))
            writer.id(attempt.deployment)
            writer.integer(RecordCodes.code(of: attempt.cost))
            var flags: Flags = []
            if attempt.upstream != nil { flags.insert(.hasUpstream) }
            if attempt.provider != nil { flags.insert(.hasProvider) }
            if attempt.told != nil { flags.insert(.hasTold) }
            writer.integer(flags.rawValue)
            if let upstream = attempt.upstream { writer.text(upstream, limit: textLimit) }
            if let provider = attempt.provider { writer.id(provider) }
            if let told = attempt.told {
                writer.integer(told.units)
                writer.text(told.currency.rawValue, limit: textLimit)
            }
        }
    }

    /// - Parameter provider: of the request: until the second version all calls went there.
    /// - Returns: nil for what was not written by this.
    static func decode(
        _ version: PayloadVersion, of provider: ProviderID?, _ reader: inout ByteReader
    ) throws(ByteReader.Exhausted) -> [Attempt]? {
        let count = Int(try reader.integer(UInt8.self))
        var attempts: [Attempt] = []
        attempts.reserveCapacity(count)
        for _ in 0..<count {
            let number = Int(try reader.integer(UInt16.self))
            let deployment: DeploymentID = try reader.id()
            guard let cost = RecordCodes.cost(of: try reader.integer()) else { return nil }
            let flags = Flags(rawValue: try reader.integer())
            let upstream: String? = flags.contains(.hasUpstream) ? try reader.text() : nil
            var own: ProviderID?
            if version >= .third { own = flags.contains(.hasProvider) ? try reader.id() : nil } else { own = provider }
            var told: Money?
            if flags.contains(.hasTold) {
                let units = try reader.integer(Int64.self)
                guard let currency = Currency(rawValue: try reader.text()) else { return nil }
                told = Money(units: units, currency)
            }
            attempts.append(
                Attempt(
                    number: number, deployment: deployment, provider: own, upstream: upstream, cost: cost, told: told))
        }
        return attempts
    }
}

/// The counts of usage: those of the first version, and beside them those since the second.
enum UsageCoding {
    static func encode(_ usage: Usage, into writer: inout ByteWriter) {
        writer.integer(Int64(usage.inputTokens))
        writer.integer(Int64(usage.outputTokens))
        writer.integer(Int64(usage.cachedTokens))
        writer.integer(Int64(usage.reasoningTokens))
    }

    static func decode(
        _ source: CountSource, _ version: PayloadVersion, _ reader: inout ByteReader
    ) throws(ByteReader.Exhausted) -> Usage {
        var usage = Usage(
            inputTokens: Int(try reader.integer(Int64.self)), outputTokens: Int(try reader.integer(Int64.self)),
            source: source)
        if version >= .second {
            usage.cachedTokens = Int(try reader.integer(Int64.self))
            usage.reasoningTokens = Int(try reader.integer(Int64.self))
        }
        return usage
    }
}

/// The decision that led to a deployment, at the end of `open`, `close` and `settled` since their third version.
enum RouteCoding {
    /// Bytes. One of 64 candidates has some three thousand; what is longer is left out, since a request is worth more
    /// than its explanation.
    static let limit = 8192

    static func encode(_ route: [UInt8], into writer: inout ByteWriter) {
        let kept = route.count <= limit ? route : []
        writer.integer(UInt16(kept.count))
        kept.withUnsafeBytes { writer.append($0) }
    }

    static func decode(
        _ version: PayloadVersion, _ reader: inout ByteReader
    ) throws(ByteReader.Exhausted) -> [UInt8] {
        version >= .third ? try reader.bytes(Int(try reader.integer(UInt16.self))) : []
    }
}

/// The first byte of a payload. The second version has billing facts, attempts and finer counts, the third routes and
/// whose endpoint an attempt went to. Older ones are still read, since a platform may be brought up to date while its
/// journal is full.
enum PayloadVersion: UInt8, Comparable {
    case first = 1
    case second = 2
    case third = 3

    static let written = PayloadVersion.third

    static func < (left: PayloadVersion, right: PayloadVersion) -> Bool { left.rawValue < right.rawValue }
}
