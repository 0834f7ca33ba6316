import Kernel

extension RoutingRecordCoding {
    /// - Returns: nil for what this did not write. What it returns can be decided again, whatever the bytes were.
    package static func decode(_ bytes: [UInt8]) -> RoutingRecord? {
        bytes.withUnsafeBytes { bytes in
            var reader = RoutingReader(bytes)
            do throws(RoutingReader.Damaged) {
                let record = try decode(&reader)
                return reader.isAtEnd ? record : nil
            } catch {
                return nil
            }
        }
    }

    private static func decode(_ reader: inout RoutingReader) throws(RoutingReader.Damaged) -> RoutingRecord {
        guard try reader.byte() == version else { throw RoutingReader.Damaged() }
        let snapshot = try reader.varint()
        let asked = try reader.text()
        let facts = try facts(&reader)
        let policy = try policy(&reader)
        var targets: [RoutingTarget] = []
        var signals: [RoutingSignal] = []
        for _ in 0..<(try reader.count(atMost: mostTargets)) {
            targets.append(try target(&reader))
            signals.append(try signal(&reader))
        }
        return RoutingRecord(
            snapshot: snapshot, asked: asked, facts: facts, policy: policy, targets: targets, signals: signals,
            order: try order(among: targets.count, &reader))
    }

    private static func facts(_ reader: inout RoutingReader) throws(RoutingReader.Damaged) -> RoutingFacts {
        let flags = FactFlags(rawValue: try reader.byte())
        guard flags.isSubset(of: .all), let needs = RoutingCodes.capabilities(of: try reader.varint()) else {
            throw RoutingReader.Damaged()
        }
        return RoutingFacts(
            needs: needs, inputTokens: try reader.integer(),
            outputCap: flags.contains(.outputCap) ? try reader.integer() : nil,
            likelyOutput: try reader.count(atMost: mostLikely),
            affinity: flags.contains(.affinity) ? try reader.fixed() : nil, seed: try reader.fixed())
    }

    private static func policy(_ reader: inout RoutingReader) throws(RoutingReader.Damaged) -> RoutingPolicy {
        let strategy = RoutingCodes.strategy(of: try reader.byte())
        let flags = PolicyFlags(rawValue: try reader.byte())
        guard let strategy, flags.isSubset(of: .all) else { throw RoutingReader.Damaged() }
        return RoutingPolicy(
            strategy: strategy, regions: try reader.words(), dataPolicies: try reader.words(),
            mostCost: flags.contains(.mostCost) ? try reader.signed() : nil,
            mostLatency: flags.contains(.mostLatency) ? try reader.time() : nil)
    }

    private static func target(_ reader: inout RoutingReader) throws(RoutingReader.Damaged) -> RoutingTarget {
        let deployment = DeploymentID(ULID(high: try reader.fixed(), low: try reader.fixed()))
        let flags = TargetFlags(rawValue: try reader.byte())
        let capabilities = RoutingCodes.capabilities(of: try reader.varint())
        guard let capabilities, flags.isSubset(of: .all), !flags.isSuperset(of: [.fixed, .adaptive]) else {
            throw RoutingReader.Damaged()
        }
        let contextLimit = flags.contains(.contextLimit) ? try reader.integer() : nil
        var terms = DeploymentTerms()
        terms.isEnabled = flags.contains(.isEnabled)
        if flags.contains(.version) { terms.version = try reader.text() }
        terms.weight = try reader.integer()
        terms.priority = try reader.integer()
        if flags.contains(.region) { terms.region = try reader.text() }
        terms.dataPolicies = try reader.words()
        if flags.contains(.promise) { terms.promisedFirstToken = try reader.time() }
        if flags.contains(.fixed) { terms.concurrency = .fixed(try reader.integer()) }
        if flags.contains(.adaptive) { terms.concurrency = .adaptive(most: try reader.integer()) }
        return RoutingTarget(
            deployment: deployment, capabilities: capabilities, contextLimit: contextLimit, terms: terms)
    }

    private static func signal(_ reader: inout RoutingReader) throws(RoutingReader.Damaged) -> RoutingSignal {
        let first = try reader.byte()
        let flags = SignalFlags(rawValue: first & 0x0F)
        guard let health = RoutingCodes.health(of: first >> SignalFlags.healthPlace) else {
            throw RoutingReader.Damaged()
        }
        return RoutingSignal(
            firstToken: flags.contains(.firstToken) ? try reader.time() : nil,
            perToken: flags.contains(.perToken) ? try reader.time() : nil, running: try reader.integer(),
            limit: flags.contains(.limit) ? try reader.integer() : nil,
            cost: flags.contains(.cost) ? try reader.signed() : nil, health: health)
    }

    /// Each place once, and none that is not there.
    private static func order(
        among targets: Int, _ reader: inout RoutingReader
    ) throws(RoutingReader.Damaged) -> [Int] {
        var order: [Int] = []
        for _ in 0..<(try reader.count(atMost: targets)) {
            let place = Int(try reader.byte())
            guard place < targets, !order.contains(place) else { throw RoutingReader.Damaged() }
            order.append(place)
        }
        return order
    }
}

extension RoutingRecord {
    /// The decision once more, from what it was made from: it comes out the same, unless the rules have changed since.
    package func replay() -> RoutingDecision { .decide(facts, among: targets, signals, by: policy) }
}
