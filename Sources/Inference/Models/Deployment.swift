package import Kernel

/// What a caller may ask of a model.
package enum Capability: String, Sendable, Codable, CaseIterable {
    case chat, completions, embeddings, tools, logprobs, images
    /// OpenAI's `/v1/responses`, passed through to who speaks it.
    case responses
    case jsonObject = "json_object"
    case jsonSchema = "json_schema"
    /// More than one choice in an answer (`n`), with usage that counts them all.
    case multipleChoices = "multiple_choices"
}

/// How a deployment is spoken to.
package enum WireProtocol: String, Sendable, Codable, CaseIterable {
    /// OpenAI's HTTP API, as llama.cpp, vLLM, Ollama and most providers speak it.
    case openAI = "openai"
    /// Anthropic's Messages API.
    case anthropic
    /// The demonstration model inside the binary.
    case echo
}

/// One endpoint that serves a model.
///
/// A request hands it on a dozen times: it is one reference, since each copy of its members would count fifteen.
package struct Deployment: Sendable {
    private struct Members: Hashable {
        let id: DeploymentID
        let idText: String
        let model: ModelName
        let environment: ModelEnvironment
        let aliases: [ModelName]
        let names: ModelNames
        let wire: WireProtocol
        let endpoint: Endpoint
        let upstreamModel: String
        let provider: ProviderID?
        let capabilities: Set<Capability>
        let terms: DeploymentTerms
        let contextLimit: Int?
        let origin: Origin
        let registered: Instant
        let revision: Int64
    }

    private final class Shared: Sendable {
        let members: Members

        init(_ members: Members) { self.members = members }
    }

    private let shared: Shared

    package var id: DeploymentID { shared.members.id }
    /// Made once: every answer and every line of the log has it.
    package var idText: String { shared.members.idText }
    package var model: ModelName { shared.members.model }
    package var environment: ModelEnvironment { shared.members.environment }
    /// Other names under which callers reach the same model.
    package var aliases: [ModelName] { shared.members.aliases }
    /// Both as texts, made once for all requests.
    package var names: ModelNames { shared.members.names }
    package var wire: WireProtocol { shared.members.wire }
    package var endpoint: Endpoint { shared.members.endpoint }
    /// What the endpoint itself calls the model.
    package var upstreamModel: String { shared.members.upstreamModel }
    /// Whose endpoint it is; nil for a runtime or a server of our own, which gets no credential.
    package var provider: ProviderID? { shared.members.provider }
    package var capabilities: Set<Capability> { shared.members.capabilities }
    /// What it is chosen by.
    package var terms: DeploymentTerms { shared.members.terms }
    /// The most tokens that prompt and answer may have together; nil when it is not known.
    package var contextLimit: Int? { shared.members.contextLimit }
    package var origin: Origin { shared.members.origin }
    package var registered: Instant { shared.members.registered }
    /// Grows with each change: who changes what somebody else has changed meanwhile can be told so.
    package var revision: Int64 { shared.members.revision }

    package enum Origin: String, Sendable, Codable {
        /// Inside the binary.
        case builtIn = "built-in"
        /// A runtime that this platform started.
        case runtime
        /// Entered by an operator.
        case registered
    }

    package init(
        id: DeploymentID, model: ModelName, environment: ModelEnvironment = .production, aliases: [ModelName] = [],
        wire: WireProtocol, endpoint: Endpoint, upstreamModel: String, capabilities: Set<Capability>,
        contextLimit: Int? = nil, provider: ProviderID? = nil, terms: DeploymentTerms = DeploymentTerms(),
        origin: Origin, registered: Instant, revision: Int64 = 1
    ) {
        shared = Shared(
            Members(
                id: id, idText: id.description, model: model, environment: environment, aliases: aliases,
                names: ModelNames(model.text, aliases: aliases.map(\.text)), wire: wire, endpoint: endpoint,
                upstreamModel: upstreamModel, provider: provider, capabilities: capabilities, terms: terms,
                contextLimit: contextLimit, origin: origin, registered: registered, revision: revision))
    }

    /// The same without some of its other names.
    func without(aliases isTaken: (ModelName) -> Bool) -> Deployment {
        guard aliases.contains(where: isTaken) else { return self }
        return Deployment(
            id: id, model: model, environment: environment, aliases: aliases.filter { !isTaken($0) }, wire: wire,
            endpoint: endpoint, upstreamModel: upstreamModel, capabilities: capabilities, contextLimit: contextLimit,
            provider: provider, terms: terms, origin: origin, registered: registered, revision: revision)
    }
}

extension Deployment {
    /// Whether it is the very same, and not only equal: asked by who keeps what was worked out from it.
    package func isIdentical(to other: Deployment) -> Bool { shared === other.shared }
}

extension Deployment: Hashable {
    package static func == (left: Deployment, right: Deployment) -> Bool {
        left.shared === right.shared || left.shared.members == right.shared.members
    }

    package func hash(into hasher: inout Hasher) { shared.members.hash(into: &hasher) }
}
