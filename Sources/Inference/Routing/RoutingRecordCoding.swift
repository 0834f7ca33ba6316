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

    /// Appends to `bytes`. On the path of every request: what it is given of policy and candidates is encoded already.
    /// - Returns: false when there are more than `mostTargets`; then nothing was appended.
    @discardableResult
    package static func encode(
        snapshot: UInt64, asked: String, facts: RoutingFacts, policy: EncodedPolicy, targets: [EncodedTarget],
        signals: [RoutingSignal], order: [Int], into bytes: inout [UInt8]
    ) -> Bool {
        precondition(targets.count == signals.count && order.count <= targets.count)
        guard targets.count <= mostTargets else { return false }
        bytes.append(version)
        bytes.append(varint: snapshot)
        bytes.append(text: asked)
        append(facts, to: &bytes)
        bytes.append(contentsOf: policy.bytes)
        bytes.append(varint: UInt64(targets.count))
        for place in targets.indices {
            bytes.append(contentsOf: targets[place].bytes)
            append(signals[place], to: &bytes)
        }
        bytes.append(varint: UInt64(order.count))
        for place in order { bytes.append(UInt8(truncatingIfNeeded: place)) }
        return true
    }

    @discardableResult
    package static func encode(_ record: RoutingRecord, into bytes: inout [UInt8]) -> Bool {
        encode(
            snapshot: record.snapshot, asked: record.asked, facts: record.facts, policy: EncodedPolicy(record.policy),
            targets: record.targets.map(EncodedTarget.init), signals: record.signals, order: record.order, into: &bytes)
    }

    private static func append(_ facts: RoutingFacts, to bytes: inout [UInt8]) {
        var flags: FactFlags = []
        if facts.outputCap != nil { flags.insert(.outputCap) }
        if facts.affinity != nil { flags.insert(.affinity) }
        bytes.append(flags.rawValue)
        bytes.append(varint: RoutingCodes.bits(of: facts.needs))
        bytes.append(signed: Int64(facts.inputTokens))
        if let cap = facts.outputCap { bytes.append(signed: Int64(cap)) }
        bytes.append(varint: UInt64(min(max(0, facts.likelyOutput), mostLikely)))
        if let affinity = facts.affinity { bytes.append(fixed: affinity) }
        bytes.append(fixed: facts.seed)
    }

    private static func append(_ signal: RoutingSignal, to bytes: inout [UInt8]) {
        var flags: SignalFlags = []
        if signal.firstToken != nil { flags.insert(.firstToken) }
        if signal.perToken != nil { flags.insert(.perToken) }
        if signal.limit != nil { flags.insert(.limit) }
        if signal.cost != nil { flags.insert(.cost) }
        bytes.append(flags.rawValue | RoutingCodes.code(of: signal.health) << SignalFlags.healthPlace)
        if let time = signal.firstToken { bytes.append(time: time) }
        if let time = signal.perToken { bytes.append(time: time) }
        bytes.append(signed: Int64(signal.running))
        if let limit = signal.limit { bytes.append(signed: Int64(limit)) }
        if let cost = signal.cost { bytes.append(signed: cost) }
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
        var bytes: [UInt8] = []
        var flags: RoutingRecordCoding.PolicyFlags = []
        if policy.mostCost != nil { flags.insert(.mostCost) }
        if policy.mostLatency != nil { flags.insert(.mostLatency) }
        bytes.append(RoutingCodes.code(of: policy.strategy))
        bytes.append(flags.rawValue)
        bytes.append(words: policy.regions)
        bytes.append(words: policy.dataPolicies)
        if let cost = policy.mostCost { bytes.append(signed: cost) }
        if let time = policy.mostLatency { bytes.append(time: time) }
        self.bytes = bytes
    }
}

/// A candidate as records have it, without how it does at the moment.
package struct EncodedTarget: Sendable, Hashable {
    let bytes: [UInt8]

    package init(_ target: RoutingTarget) {
        let terms = target.terms
        var bytes: [UInt8] = []
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
        bytes.append(fixed: target.deployment.ulid.high)
        bytes.append(fixed: target.deployment.ulid.low)
        bytes.append(flags.rawValue)
        bytes.append(varint: RoutingCodes.bits(of: target.capabilities))
        if let limit = target.contextLimit { bytes.append(signed: Int64(limit)) }
        if let version = terms.version { bytes.append(text: version) }
        bytes.append(signed: Int64(terms.weight))
        bytes.append(signed: Int64(terms.priority))
        if let region = terms.region { bytes.append(text: region) }
        bytes.append(words: terms.dataPolicies)
        if let promise = terms.promisedFirstToken { bytes.append(time: promise) }
        if let concurrency = terms.concurrency { bytes.append(signed: Int64(concurrency.most)) }
        self.bytes = bytes
    }
}
