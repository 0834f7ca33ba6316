import Flows
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Kernel
import NIOCore
import Tenancy

/// A whole answer of the admin API, before it is on its way.
struct Reply: Sendable {
    let status: HTTPResponse.Status
    let bytes: [UInt8]
    let type: String
    /// What a repeated request with the same `Idempotency-Key` is told in the place of this: where the answer holds a
    /// secret, which is shown once and kept nowhere.
    private(set) var repeated: Problem?
    /// Whether it was given to an earlier request.
    private(set) var isReplayed = false

    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Reply {
        Reply(status: status, bytes: try JSONBody.encode(value), type: "application/json")
    }

    static func created(_ value: some Encodable) throws -> Reply { try json(value, status: .created) }

    private init(status: HTTPResponse.Status, bytes: [UInt8], type: String) {
        self.status = status
        self.bytes = bytes
        self.type = type
    }

    /// A problem that is an answer like any other, to be given again.
    init(_ problem: Problem, request: Kernel.RequestID) {
        self.init(
            status: HTTPResponse.Status(code: problem.status), bytes: ProblemBody.details(problem, request: request),
            type: ProblemBody.detailsContentType)
    }

    init(replayed answer: StoredAnswer) {
        self.init(status: HTTPResponse.Status(code: answer.status), bytes: answer.body, type: answer.contentType)
        isReplayed = true
    }

    /// The answer holds a secret.
    func once(repeated problem: Problem) -> Reply {
        var reply = self
        reply.repeated = problem
        return reply
    }

    func stored(request: Kernel.RequestID) -> StoredAnswer {
        let kept = repeated.map { Reply($0, request: request) } ?? self
        return StoredAnswer(status: kept.status.code, contentType: kept.type, body: kept.bytes)
    }

    var response: Response {
        var response = Response(status: status, bytes: bytes, type: type)
        response.headers[.cacheControl] = "no-store"
        if isReplayed { response.headers[.idempotentReplayed] = "true" }
        return response
    }
}

extension HTTPField.Name {
    // The literals are valid field names; the fallback only keeps this free of a force unwrap.
    static let idempotencyKey = HTTPField.Name("idempotency-key") ?? .ifMatch
    static let idempotentReplayed = HTTPField.Name("idempotent-replayed") ?? .eTag
    static let clientAddress = HTTPField.Name(ClientAddressField.name) ?? .from
}
