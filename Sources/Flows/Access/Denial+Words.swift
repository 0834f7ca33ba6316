package import Kernel
package import Tenancy

extension Denial {
    /// Why not, in a sentence for whoever asked.
    package var words: String {
        switch self {
        case .foreign: "There is no such thing."
        case .noPermission(let permission): "The credential does not have the permission `\(permission.rawValue)` here."
        case .endpoint(let endpoint): "The key is not made for the endpoint `\(endpoint.rawValue)`."
        case .model: "The key is not made for this model."
        case .environment(let environment): "The key does not belong to the environment `\(environment.rawValue)`."
        case .address: "The key may not be used from this address."
        case .rule(_, let name): "The access rule `\(name)` does not allow it."
        }
    }

    /// As the caller is told it. What belongs to somebody else is told like what is not there.
    package var problem: Problem {
        switch self {
        case .foreign: Problem(.notFound)
        case .noPermission, .endpoint, .model, .environment, .address, .rule: Problem(.policyDenied, words)
        }
    }
}
