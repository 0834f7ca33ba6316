package import Inference
package import Kernel
package import Tenancy

/// What `volery.yaml` says there is to be, beside the settings: read, checked, and not compared with anything yet.
/// A list that is nil was not in the file, and nothing is done about it; an empty one says that there is to be nothing.
package struct Declaration: Sendable, Equatable {
    /// The top keys of the file that are no settings.
    package static let keys = ["tenants", "providers", "models", "deployments"]

    package var tenants: [TenantDeclaration]?
    package var providers: [ProviderDeclaration]?
    /// From `models` and `deployments` together.
    package var deployments: [DeploymentDeclaration]?

    package init() {}

    package var isEmpty: Bool { self == Declaration() }
}

/// What a file can ask of a tenant, workspace or service account. Deleting is done by leaving it out, and pruning.
package enum DeclaredState: String, Sendable, CaseIterable {
    case active, suspended
}

package struct TenantDeclaration: Sendable, Equatable {
    package var name: String
    /// Nil leaves a suspended one suspended.
    package var state: DeclaredState?
    package var workspaces: [WorkspaceDeclaration]?
    package var members: [PlaceDeclaration]?
    package var serviceAccounts: [ServiceAccountDeclaration]?
    package var rules: [RuleDeclaration]?
}

package struct WorkspaceDeclaration: Sendable, Equatable {
    package var name: String
    package var state: DeclaredState?
}

/// A user's role in a tenant, or in one workspace of it.
package struct PlaceDeclaration: Sendable, Equatable {
    package var user: String
    package var role: Tenancy.Role
    package var workspace: String?
}

package struct ServiceAccountDeclaration: Sendable, Equatable {
    package var name: String
    package var state: DeclaredState?
    /// Nil for an account without a place.
    package var role: Tenancy.Role?
    package var workspace: String?
}

package struct RuleDeclaration: Sendable, Equatable {
    /// Unique in its tenant's list: it is how a rule is found again.
    package var name: String
    package var effect: AccessRule.Effect
    package var workspace: String?
    package var actions: Set<Permission>
    package var keys: Set<KeyID>
    package var conditions: RuleConditions
}

package struct ProviderDeclaration: Sendable, Equatable {
    package var name: String
    /// Nil for a known provider's own.
    package var endpoint: Endpoint?
    /// Nil leaves the stored key alone.
    package var key: KeySource?

    /// Where the key is read from when the file is compared or applied; never in the file itself.
    package enum KeySource: Sendable, Equatable {
        /// Relative to the file's folder.
        case file(String)
        case environment(String)
    }
}

package struct DeploymentDeclaration: Sendable, Equatable {
    package var model: ModelName
    package var environment: ModelEnvironment
    package var aliases: [ModelName]
    /// Nil for the provider's own.
    package var endpoint: Endpoint?
    /// Whose key calls carry; nil for a server of one's own.
    package var provider: String?
    package var wire: WireProtocol
    package var upstreamModel: String
    /// Nil for everything that the endpoint can do.
    package var capabilities: Set<Capability>?
    package var contextLimit: Int?
    package var version: String?
    package var region: String?
    package var dataPolicies: Set<String> = []
    package var promisedFirstToken: Duration?
    package var concurrency: DeploymentTerms.Concurrency?
    /// What operators turn while it serves: nil leaves it as it is, and a new deployment's as is usual.
    package var weight: Int?
    package var priority: Int?
    package var isEnabled: Bool?
}

/// One thing that is wrong with a file, and where.
package struct DeclarationFault: Sendable, Equatable, Comparable, Codable, CustomStringConvertible {
    /// From 1.
    package let line: Int
    package let column: Int
    /// `tenants[0].rules[1].effect`.
    package let place: String
    package let complaint: String

    package init(line: Int, column: Int, place: String, complaint: String) {
        self.line = line
        self.column = column
        self.place = place
        self.complaint = complaint
    }

    package var description: String { "\(line):\(column): \(place) \(complaint)" }

    /// What asks back ends as a question.
    var sentence: String { complaint.hasSuffix("?") ? description : description + "." }

    package static func < (left: DeclarationFault, right: DeclarationFault) -> Bool {
        (left.line, left.column, left.place) < (right.line, right.column, right.place)
    }
}
