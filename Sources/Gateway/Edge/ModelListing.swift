import FoundationEssentials
import Inference
import Kernel
import NIOCore

/// OpenAI's model objects, with what a caller of ours wants to know beside.
enum ModelListing {
    struct Model: Encodable {
        let id: String
        let object = "model"
        let created: Int64
        let ownedBy: String
        let aliases: [String]
        let capabilities: [String]
        let contextLength: Int?

        private enum CodingKeys: String, CodingKey {
            case id, object, created, ownedBy = "owned_by", aliases, capabilities, contextLength = "context_length"
        }

        init(_ deployment: Deployment) {
            id = deployment.model.text
            created = deployment.registered.seconds
            ownedBy = deployment.origin.rawValue
            aliases = deployment.aliases.map(\.text)
            capabilities = deployment.capabilities.map(\.rawValue).sorted()
            contextLength = deployment.contextLimit
        }
    }

    struct Listing: Encodable {
        let object = "list"
        let data: [Model]
    }

    static func body(of models: [Deployment]) throws(Problem) -> ByteBuffer {
        try encode(Listing(data: models.map(Model.init)))
    }

    static func body(of model: Deployment) throws(Problem) -> ByteBuffer { try encode(Model(model)) }

    private static func encode(_ value: some Encodable) throws(Problem) -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else { throw Problem(.internalError) }
        return ByteBuffer(bytes: data)
    }
}
