import Flows
import Inference
import Kernel

extension DeploymentDeclaration {
    /// What the deployments of one model have in common.
    struct Shared {
        var model: ModelName?
        var environment: ModelEnvironment?
        var aliases: [ModelName]?
        var contextLimit: Int?
        var capabilities: Set<Capability>?
    }

    private static let ownKeys = [
        "endpoint", "provider", "protocol", "upstream_model", "model_version", "weight", "priority", "region",
        "data_policies", "first_token_ms", "concurrency", "enabled",
    ]
    private static let sharedKeys = ["environment", "aliases", "context_limit", "capabilities"]

    /// Two deployments with the same one cannot be told apart.
    var identity: String {
        let place = [endpoint?.description, provider.map { "the provider `\($0)`" }].compactMap(\.self)
        return "`\(model)` (\(environment.rawValue)) at " + place.joined(separator: " of ")
            + (upstreamModel == model.text ? "" : ", where it is `\(upstreamModel)`")
    }

    /// An item of `models`: a name, what all its deployments share, and these.
    static func ofModel(
        _ node: DeclaredNode, _ reader: inout DeclarationReader
    ) -> [(DeclaredNode, DeploymentDeclaration?)] {
        let known = ["name"] + sharedKeys + ["deployments"]
        guard let fields = reader.fields(node, known: known, required: ["name", "deployments"]) else { return [] }
        var shared = reader.shared(fields)
        shared.model = reader.model(fields["name"])
        let items = reader.items(fields["deployments"])
        if items?.isEmpty == true { reader.complain(node, "has no deployments, so that nothing would answer") }
        return (items ?? []).map { item in
            let isKnown = shared.model != nil
            return (item, DeploymentDeclaration(item, shared, isOfModel: true, &reader).flatMap { isKnown ? $0 : nil })
        }
    }

    /// - Parameter isOfModel: whether it stands below a model, which says then what is served.
    init?(
        _ node: DeclaredNode, _ shared: Shared, isOfModel: Bool = false, _ reader: inout DeclarationReader
    ) {
        let known =
            (isOfModel ? [] : ["model"]) + Self.ownKeys + Self.sharedKeys.filter { $0 != "environment" || !isOfModel }
        guard let fields = reader.fields(node, known: known, required: isOfModel ? [] : ["model"]) else { return nil }
        let own = reader.shared(fields)
        let model = isOfModel ? shared.model : reader.model(fields["model"])
        let endpoint = reader.endpoint(fields["endpoint"])
        let provider = reader.name(fields["provider"])
        // What is inside the binary cannot be declared.
        let wire = reader.choice(fields["protocol"], among: WireProtocol.allCases.filter { $0 != .echo })
        let upstream = reader.parsed(fields["upstream_model"], allowed: "1 to 256 bytes") {
            (1...256).contains($0.utf8.count) ? $0 : nil
        }
        if !fields.has("endpoint"), !fields.has("provider") {
            reader.complain(node, "has neither an `endpoint` nor a `provider`")
        }
        guard let model, endpoint != nil || provider != nil else { return nil }
        var aliases: [ModelName] = []
        for alias in own.aliases ?? shared.aliases ?? [] where alias != model && !aliases.contains(alias) {
            aliases.append(alias)
        }
        self.init(
            model: model, environment: own.environment ?? shared.environment ?? .production, aliases: aliases,
            endpoint: endpoint, provider: provider,
            wire: wire ?? provider.map { KnownProviders.wire(of: $0) } ?? .openAI,
            upstreamModel: upstream ?? model.text, capabilities: own.capabilities ?? shared.capabilities,
            contextLimit: own.contextLimit ?? shared.contextLimit)
        readTerms(fields, &reader)
    }

    private mutating func readTerms(_ fields: DeclaredFields, _ reader: inout DeclarationReader) {
        version = reader.operatorsWord(fields["model_version"])
        if let version, let value = fields["model_version"], model.at(version: version) == nil {
            reader.complain(value, "is too long: `\(model)@…` would be no name any more")
        }
        weight = reader.number(fields["weight"], "shares", in: DeploymentTerms.weights)
        priority = reader.number(fields["priority"], "steps", in: DeploymentTerms.priorities)
        region = reader.operatorsWord(fields["region"])
        dataPolicies = Set((reader.items(fields["data_policies"]) ?? []).compactMap { reader.operatorsWord($0) })
        promisedFirstToken = reader.number(fields["first_token_ms"], "milliseconds", in: 1...3_600_000)
            .map { .milliseconds($0) }
        concurrency = reader.parsed(fields["concurrency"], allowed: "a number of requests, or adaptive:N") {
            DeploymentTerms.Concurrency($0)
        }
        isEnabled = reader.parsed(fields["enabled"], allowed: "true, false") { text -> Bool? in
            switch text {
            case "true": true
            case "false": false
            default: nil
            }
        }
    }
}

extension DeclarationReader {
    fileprivate mutating func model(_ value: DeclaredNode?) -> ModelName? {
        parsed(value, allowed: "1 to 128 letters, digits and . _ : / @ -, beginning with a letter or digit") {
            ModelName($0)
        }
    }

    fileprivate mutating func shared(_ fields: DeclaredFields) -> DeploymentDeclaration.Shared {
        var shared = DeploymentDeclaration.Shared()
        shared.environment = choice(fields["environment"])
        shared.aliases = items(fields["aliases"])?.compactMap { model($0) }
        shared.contextLimit = parsed(fields["context_limit"], allowed: "a number of tokens from 1 to 100000000") {
            guard let number = Int($0), (1...100_000_000).contains(number) else { return nil }
            return number
        }
        if let items = items(fields["capabilities"]) {
            let known = items.compactMap { choice($0, Capability.self) }
            if items.isEmpty, let list = fields["capabilities"] {
                complain(list, "is empty; leave it out for everything that the endpoint can do")
            }
            shared.capabilities = known.isEmpty ? nil : Set(known)
        }
        return shared
    }
}
