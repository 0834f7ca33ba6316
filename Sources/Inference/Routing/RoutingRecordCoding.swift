import Kernel

/// A record of a decision as bytes: a few dozen for each candidate, since one is kept for every request.
///
/// The first byte is the version; a later one is added beside this, never over it. Numbers are variable in length,
/// times whole microseconds: whoever decides by finer ones could not be followed.
///
/// | part       | holds                                                                                          |
/// |------------|------------------------------------------------------------------------------------------------|
/// | head       | version, snapshot, what was asked for                                                          |
/// | facts      | flags, needs, tokens, what the answer likely has, affinity, seed                               |
/// | policy     | strategy and bounds: `EncodedPolicy`, the same for all requests of a workspace                 |
/// | candidates | how many; for each `EncodedTarget`, the same for all decisions of a snapshot, and its signal   |
/// | order      | how many; for each its place                                                                   |
package enum RoutingRecordCoding {
    static let version: UInt8 = 1
    /// A decision among more is not kept.
    package static let mostTargets = 64
    /// Bytes of a name or word; what is longer is cut.
    static let longestText = 128
    /// Words of one set.
    static let mostWords = 32
    /// Microseconds, 12 days. With `mostLikely` it bounds what a decision multiplies, so that no bytes overflow it.
    static let longestTime: Int64 = 1 << 40
    /// Tokens of an answer.
    static let mostLikely = 1 << 22

    /// On the path of every request: what it is given of policy and candidates is encoded already.
    /// - Returns: nil when there are more than `mostTargets`.
    package static func encoded(
        snapshot: UInt64, asked: String, facts: RoutingFacts, policy: EncodedPolicy, targets: [EncodedTarget],
        signals: RoutingSignals, order: [Int]
    ) -> [UInt8]? {
        precondition(targets.count == signals.count && order.count <= targets.count)
        guard targets.count <= mostTargets else { return nil }
        var most = 1 + RoutingWriter.longestVarint + RoutingWriter.longestText + mostFacts + policy.bytes.count
        for place in targets.indices { most += targets[place].bytes.count + mostSignal }
        most += 2 * RoutingWriter.longestVarint + order.count
        return RoutingWriter.write(most: most) { writer in
            writer.put(byte: version)
            writer.put(varint: snapshot)
            writer.put(text: asked)
            put(facts, to: &writer)
            writer.put(bytes: policy.bytes)
            writer.put(varint: UInt64(targets.count))
            for place in targets.indices {
                writer.put(bytes: targets[place].bytes)
                put(signals[place], to: &writer)
            }
            writer.put(varint: UInt64(order.count))
            for place in order { writer.put(byte: UInt8(truncatingIfNeeded: place)) }
        }
    }

    /// The same behind what is in `bytes`.
    /// - Returns: false when there are more than `mostTargets`; then nothing was appended.
    @discardableResult
    package static func encode(
        snapshot: UInt64, asked: String, facts: RoutingFacts, policy: EncodedPolicy, targets: [EncodedTarget],
        signals: [RoutingSignal], order: [Int], into bytes: inout [UInt8]
    ) -> Bool {
        let encoded = encoded(
            snapshot: snapshot, asked: asked, facts: facts, policy: policy, targets: targets,
            signals: RoutingSignals(signals), order: order)
        guard let encoded else { return false }
        bytes += encoded
        return true
    }

    @discardableResult
    package static func encode(_ record: RoutingRecord, into bytes: inout [UInt8]) -> Bool {
        encode(
            snapshot: record.snapshot, asked: record.asked, facts: record.facts, policy: EncodedPolicy(record.policy),
            targets: record.targets.map(EncodedTarget.init), signals: record.signals, order: record.order, into: &bytes)
    }

    /// Flags, four numbers, affinity and seed.
    private static let mostFacts = 1 + 4 * RoutingWriter.longestVarint + 2 * 8

    private static func put(_ facts: RoutingFacts, to writer: inout RoutingWriter) {
        var flags: FactFlags = []
        if facts.outputCap != nil { flags.insert(.outputCap) }
        if facts.affinity != nil { flags.insert(.affinity) }
        writer.put(byte: flags.rawValue)
        writer.put(varint: facts.needBits)
        writer.put(signed: Int64(facts.inputTokens))
        if let cap = facts.outputCap { writer.put(signed: Int64(cap)) }
        writer.put(varint: UInt64(min(max(0, facts.likelyOutput), mostLikely)))
        if let affinity = facts.affinity { writer.put(fixed: affinity) }
        writer.put(fixed: facts.seed)
    }

    /// Flags and five numbers.
    private static let mostSignal = 1 + 5 * RoutingWriter.longestVarint

    private static func put(_ signal: RoutingSignal, to writer: inout RoutingWriter) {
        var flags: SignalFlags = []
        if signal.firstToken != nil { flags.insert(.firstToken) }
        if signal.perToken != nil { flags.insert(.perToken) }
        if signal.limit != nil { flags.insert(.limit) }
        if signal.cost != nil { flags.insert(.cost) }
        writer.put(byte: flags.rawValue | RoutingCodes.code(of: signal.health) << SignalFlags.healthPlace)
        if let time = signal.firstToken { writer.put(time: time) }
        if let time = signal.perToken { writer.put(time: time) }
        writer.put(signed: Int64(signal.running))
        if let limit = signal.limit { writer.put(signed: Int64(limit)) }
        if let cost = signal.cost { writer.put(signed: cost) }
    }
}

extension RoutingRecordCoding {
    struct FactFlags: OptionSet {
        let rawValue: UInt8
        static let outputCap = FactFlags(rawValue: 1)
        static let affinity = FactFlags(rawValue: 2)
        static let all: FactFlags = [.outputCap, .affinity]
    }

    /// Its high half is the health's code.
    struct SignalFlags: OptionSet {
        static let healthPlace = 4

        let rawValue: UInt8
        static let firstToken = SignalFlags(rawValue: 1)
        static let perToken = SignalFlags(rawValue: 2)
        static let limit = SignalFlags(rawValue: 4)
        static let cost = SignalFlags(rawValue: 8)
    }

    struct PolicyFlags: OptionSet {
        let rawValue: UInt8
        static let mostCost = PolicyFlags(rawValue: 1)
        static let mostLatency = PolicyFlags(rawValue: 2)
        static let all: PolicyFlags = [.mostCost, .mostLatency]
    }

    struct TargetFlags: OptionSet {
        let rawValue: UInt8
        static let isEnabled = TargetFlags(rawValue: 1)
        static let contextLimit = TargetFlags(rawValue: 2)
        static let version = TargetFlags(rawValue: 4)
        static let region = TargetFlags(rawValue: 8)
        static let promise = TargetFlags(rawValue: 16)
        static let fixed = TargetFlags(rawValue: 32)
        static let adaptive = TargetFlags(rawValue: 64)
        static let all = TargetFlags(rawValue: 127)
    }
}

/// A policy as records have it.
package struct EncodedPolicy: Sendable, Hashable {
    let bytes: [UInt8]

    package init(_ policy: RoutingPolicy) {
        var flags: RoutingRecordCoding.PolicyFlags = []
        if policy.mostCost != nil { flags.insert(.mostCost) }
        if policy.mostLatency != nil { flags.insert(.mostLatency) }
        let most = 2 + 2 * RoutingWriter.longestWords + 2 * RoutingWriter.longestVarint
        bytes = RoutingWriter.write(most: most) { writer in
            writer.put(byte: RoutingCodes.code(of: policy.strategy))
            writer.put(byte: flags.rawValue)
            writer.put(words: policy.regions)
            writer.put(words: policy.dataPolicies)
            if let cost = policy.mostCost { writer.put(signed: cost) }
            if let time = policy.mostLatency { writer.put(time: time) }
        }
    }
}

/// A candidate as records have it, without how it does at the moment.
package struct EncodedTarget: Sendable, Hashable {
    let bytes: [UInt8]

    package init(_ target: RoutingTarget) {
        let terms = target.terms
        var flags: RoutingRecordCoding.TargetFlags = []
        if terms.isEnabled { flags.insert(.isEnabled) }
        if target.contextLimit != nil { flags.insert(.contextLimit) }
        if terms.version != nil { flags.insert(.version) }
        if terms.region != nil { flags.insert(.region) }
        if terms.promisedFirstToken != nil { flags.insert(.promise) }
        switch terms.concurrency {
        case .fixed: flags.insert(.fixed)
        case .adaptive: flags.insert(.adaptive)
        case nil: break
        }
        let most =
            17 + RoutingWriter.longestWords + 2 * RoutingWriter.longestText + 6 * RoutingWriter.longestVarint
        bytes = RoutingWriter.write(most: most) { writer in
            writer.put(fixed: target.deployment.ulid.high)
            writer.put(fixed: target.deployment.ulid.low)
            writer.put(byte: flags.rawValue)
            writer.put(varint: target.capabilityBits)
            if let limit = target.contextLimit { writer.put(signed: Int64(limit)) }
            if let version = terms.version { writer.put(text: version) }
            writer.put(signed: Int64(terms.weight))
            writer.put(signed: Int64(terms.priority))
            if let region = terms.region { writer.put(text: region) }
            writer.put(words: terms.dataPolicies)
            if let promise = terms.promisedFirstToken { writer.put(time: promise) }
            if let concurrency = terms.concurrency { writer.put(signed: Int64(concurrency.most)) }
        }
    }
}
