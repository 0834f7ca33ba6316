import Inference
import Kernel

/// What operators write about deployments, checked.
extension NewDeployment {
    func checked(id: DeploymentID, now: Instant, provider: Provider? = nil) throws(Problem) -> Deployment {
        let name = try ModelName(checking: model)
        return Deployment(
            id: id, model: name, environment: try checkedEnvironment(),
            aliases: try DeploymentReading.aliases(aliases ?? [], of: name),
            wire: try checkedWire(provider), endpoint: try checkedEndpoint(provider),
            upstreamModel: try upstreamModel.map(DeploymentReading.upstreamModel) ?? model,
            capabilities: try capabilities.map(DeploymentReading.capabilities) ?? Set(Capability.allCases),
            contextLimit: try contextLimit.map(DeploymentReading.contextLimit), provider: provider?.id,
            terms: try checkedTerms(of: name), origin: .registered, registered: now)
    }

    private func checkedTerms(of name: ModelName) throws(Problem) -> DeploymentTerms {
        var terms = DeploymentTerms()
        terms.version = try version.map { text throws(Problem) in try DeploymentReading.version(text, of: name) }
        terms.weight = try weight.map(DeploymentReading.weight) ?? DeploymentTerms.usualWeight
        terms.priority = try priority.map(DeploymentReading.priority) ?? 0
        terms.region = try region.map(DeploymentReading.region)
        terms.dataPolicies = try DeploymentReading.dataPolicies(dataPolicies ?? [])
        terms.promisedFirstToken = try firstTokenMilliseconds.map(DeploymentReading.promise)
        terms.concurrency = try concurrency.map(DeploymentReading.concurrency)
        terms.isEnabled = enabled ?? true
        return terms
    }

    /// A provider's deployment is at the provider: its key goes nowhere else.
    private func checkedEndpoint(_ provider: Provider?) throws(Problem) -> Inference.Endpoint {
        guard let endpoint else {
            guard let provider else {
                throw Problem(
                    .validationError, "`endpoint` is missing.", parameter: "endpoint",
                    hint: "Say where the model answers, or name a `provider`.")
            }
            return provider.endpoint
        }
        let place = try Inference.Endpoint(checking: endpoint)
        guard place.scheme != .builtIn, endpoint.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Problem(
                .validationError, "`endpoint` is not a usable URL.", parameter: "endpoint",
                hint: "Use http://HOST[:PORT][/PATH] or https://…; what is inside the binary cannot be registered.")
        }
        if let own = provider?.endpoint,
            place.scheme != own.scheme || place.host != own.host || place.port != own.port
        {
            throw Problem(
                .validationError, "`endpoint` is not at the provider.", parameter: "endpoint",
                hint: "Leave it out: \(own) is meant then.")
        }
        return place
    }

    private func checkedEnvironment() throws(Problem) -> ModelEnvironment {
        guard let environment else { return .production }
        return try Checks.oneOf(ModelEnvironment.self, environment, parameter: "environment")
    }

    /// The protocols that something outside this binary can speak.
    private func checkedWire(_ provider: Provider?) throws(Problem) -> WireProtocol {
        guard let wire else { return provider?.wire ?? .openAI }
        guard let known = WireProtocol(rawValue: wire), known != .echo else {
            throw Checks.unknown(
                "protocol", wire, allowed: WireProtocol.allCases.filter { $0 != .echo }.map(\.rawValue))
        }
        return known
    }
}

extension DeploymentChangeRequest {
    func checked(for deployment: Deployment) throws(Problem) -> DeploymentChange {
        var change = DeploymentChange()
        change.aliases = try aliases.map { texts throws(Problem) in
            try DeploymentReading.aliases(texts, of: deployment.model)
        }
        change.upstreamModel = try upstreamModel.map(DeploymentReading.upstreamModel)
        change.capabilities = try capabilities.map(DeploymentReading.capabilities)
        change.contextLimit = try contextLimit?.map(DeploymentReading.contextLimit)
        change.version = try version?.map { text throws(Problem) in
            try DeploymentReading.version(text, of: deployment.model)
        }
        change.weight = try weight.map(DeploymentReading.weight)
        change.priority = try priority.map(DeploymentReading.priority)
        change.region = try region?.map(DeploymentReading.region)
        change.dataPolicies = try dataPolicies.map(DeploymentReading.dataPolicies)
        change.promisedFirstToken = try firstTokenMilliseconds?.map(DeploymentReading.promise)
        change.concurrency = try concurrency?.map(DeploymentReading.concurrency)
        change.isEnabled = enabled
        guard !change.isEmpty else {
            throw Problem(
                .validationError, "It changes nothing.", parameter: "weight",
                hint: "Name what is to become different, such as `weight` or `enabled`.")
        }
        return change
    }

    /// For the audit log: the new value of what was named.
    var words: [String: String] {
        var words: [String: String] = [:]
        words["aliases"] = aliases?.joined(separator: " ")
        words["upstream_model"] = upstreamModel
        words["capabilities"] = capabilities?.joined(separator: " ")
        words["context_limit"] = contextLimit?.word { "\($0)" }
        words["model_version"] = version?.word { $0 }
        words["weight"] = weight.map(String.init)
        words["priority"] = priority.map(String.init)
        words["region"] = region?.word { $0 }
        words["data_policies"] = dataPolicies?.joined(separator: " ")
        words["first_token_ms"] = firstTokenMilliseconds?.word { "\($0)" }
        words["concurrency"] = concurrency?.word(\.text)
        words["enabled"] = enabled.map { $0 ? "true" : "false" }
        return words
    }
}

extension FieldChange {
    fileprivate func word(_ text: (Value) -> String) -> String { value.map(text) ?? "none" }
}

/// The fields that registering and changing have in common.
enum DeploymentReading {
    static func aliases(_ texts: [String], of model: ModelName) throws(Problem) -> [ModelName] {
        var others: [ModelName] = []
        for (index, alias) in try Checks.few(texts, "aliases").enumerated() {
            let checked = try ModelName(checking: alias, parameter: "aliases[\(index)]")
            if checked != model, !others.contains(checked) { others.append(checked) }
        }
        return others
    }

    static func upstreamModel(_ text: String) throws(Problem) -> String {
        guard (1...256).contains(text.utf8.count), !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            throw Problem(
                .validationError, "`upstream_model` must have 1 to 256 bytes that can be printed.",
                parameter: "upstream_model",
                hint: "Leave it out when the endpoint knows the model by the same name.")
        }
        return text
    }

    static func capabilities(_ texts: [String]) throws(Problem) -> Set<Capability> {
        var known: Set<Capability> = []
        for (index, text) in texts.enumerated() {
            known.insert(try Checks.oneOf(Capability.self, text, parameter: "capabilities[\(index)]"))
        }
        guard !known.isEmpty else {
            let all = Capability.allCases.map(\.rawValue).joined(separator: ", ")
            throw Problem(
                .validationError, "`capabilities` is empty.", parameter: "capabilities",
                hint: "Name some of \(all), or leave it out for all.")
        }
        return known
    }

    static func contextLimit(_ number: Int) throws(Problem) -> Int {
        guard (1...100_000_000).contains(number) else {
            throw Problem(
                .validationError, "`context_limit` must be a number of tokens from 1 to 100000000.",
                parameter: "context_limit", hint: "Leave it out when it is not known.")
        }
        return number
    }

    static func version(_ text: String, of model: ModelName) throws(Problem) -> String {
        let version = try Checks.word(text, "model_version")
        guard model.at(version: version) != nil else {
            throw Problem(
                .validationError, "`model_version` is too long: `\(model)@…` would be no name any more.",
                parameter: "model_version",
                hint: "A model and its version have \(ModelName.maximumLength - 1) characters at most.")
        }
        return version
    }

    static func weight(_ number: Int) throws(Problem) -> Int {
        try Checks.number(
            number, "weight", in: DeploymentTerms.weights,
            hint: "Weights are shares: 90 and 10 send one request of ten to the second.")
    }

    static func priority(_ number: Int) throws(Problem) -> Int {
        try Checks.number(
            number, "priority", in: DeploymentTerms.priorities, hint: "The smaller number comes first; 0 is usual.")
    }

    static func region(_ text: String) throws(Problem) -> String { try Checks.word(text, "region") }

    static func dataPolicies(_ texts: [String]) throws(Problem) -> Set<String> {
        try Checks.words(texts, "data_policies")
    }

    static func promise(_ milliseconds: Int) throws(Problem) -> Duration {
        let allowed = DeploymentTerms.promises
        let bounds =
            Int(allowed.lowerBound.microseconds / 1000)...Int(allowed.upperBound.microseconds / 1000)
        return .milliseconds(
            try Checks.number(
                milliseconds, "first_token_ms", in: bounds, hint: "Leave it out when nothing is promised."))
    }

    static func concurrency(_ text: ConcurrencyText) throws(Problem) -> DeploymentTerms.Concurrency {
        guard let limit = DeploymentTerms.Concurrency(text.text) else {
            let allowed = DeploymentTerms.Concurrency.allowed
            throw Problem(
                .validationError,
                "`concurrency` is `\(InferenceFlow.printable(text.text))`, which is no number of requests.",
                parameter: "concurrency",
                hint: "\(ConcurrencyText.hint) \(allowed.lowerBound) to \(allowed.upperBound) are allowed.")
        }
        return limit
    }
}
