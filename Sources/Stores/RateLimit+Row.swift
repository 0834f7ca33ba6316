import Billing
import Database
import Kernel

extension RateLimit {
    init(row: Row) throws {
        let model: String = try row.value("model")
        self.init(
            id: try row.value("id"), subject: try Subject(row: row), model: model.isEmpty ? nil : model,
            quantity: try row.value("quantity"), amount: try row.value("amount"))
    }
}

extension RateLimit.Subject {
    fileprivate init(row: Row) throws {
        switch try row.value("subject_kind", as: String.self) {
        case "key": self = .key(try row.value("subject_id"))
        case "user": self = .user(try row.value("subject_id"))
        case "workspace": self = .workspace(try row.value("subject_id"))
        case "tenant": self = .tenant(try row.value("subject_id"))
        default: throw DatabaseFailure.corrupt("column subject_kind holds no known kind of subject")
        }
    }

    var kind: String {
        switch self {
        case .key: "key"
        case .user: "user"
        case .workspace: "workspace"
        case .tenant: "tenant"
        }
    }

    var text: String {
        switch self {
        case .key(let id): id.description
        case .user(let id): id.description
        case .workspace(let id): id.description
        case .tenant(let id): id.description
        }
    }
}
