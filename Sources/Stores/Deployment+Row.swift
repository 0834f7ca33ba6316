import Database
import Inference
import Kernel

extension Deployment {
    /// What never changes: `id`, `model`, `environment`, `wire`, `endpoint`, `provider_id`, `registered`.
    var lastingColumns: [any SQLRepresentable] {
        [id, model.text, environment.rawValue, wire.rawValue, endpoint.description, provider, registered]
    }

    /// From `aliases`, `upstream_model`, `capabilities` and `context_limit` on, the terms, and `revision`.
    var changingColumns: [any SQLRepresentable] {
        [
            WordList.text(aliases.map(\.text)), upstreamModel,
            WordList.text(capabilities.map(\.rawValue).sorted()), contextLimit, terms.version, terms.weight,
            terms.priority, terms.region, WordList.text(terms.dataPolicies.sorted()), terms.promisedFirstToken,
            terms.concurrency?.description, terms.isEnabled, revision,
        ]
    }

    init(row: Row) throws {
        guard let model = ModelName(try row.value("model", as: String.self)) else {
            throw DatabaseFailure.corrupt("column model holds no model name")
        }
        guard let endpoint = Endpoint(try row.value("endpoint", as: String.self)) else {
            throw DatabaseFailure.corrupt("column endpoint holds no endpoint")
        }
        self.init(
            id: try row.value("id"), model: model, environment: try row.value("environment"),
            aliases: try WordList.words(in: row.value("aliases")) { ModelName($0) }, wire: try row.value("wire"),
            endpoint: endpoint, upstreamModel: try row.value("upstream_model"),
            capabilities: Set(try WordList.words(in: row.value("capabilities")) { Capability(rawValue: $0) }),
            contextLimit: try row.value("context_limit"), provider: try row.value("provider_id"),
            terms: try DeploymentTerms(row: row), origin: .registered, registered: try row.value("registered"),
            revision: try row.value("revision"))
    }
}

extension DeploymentTerms {
    fileprivate init(row: Row) throws {
        self.init()
        version = try row.value("version")
        weight = try row.value("weight")
        priority = try row.value("priority")
        region = try row.value("region")
        dataPolicies = Set(try WordList.words(in: row.value("data_policies")) { $0 })
        promisedFirstToken = try row.value("first_token")
        if let text: String = try row.value("concurrency") {
            guard let limit = Concurrency(text) else {
                throw DatabaseFailure.corrupt("column concurrency holds no limit")
            }
            concurrency = limit
        }
        isEnabled = try row.value("enabled")
    }
}
