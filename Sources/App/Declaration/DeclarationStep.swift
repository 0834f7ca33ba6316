import Flows
import Kernel

/// One act that makes the platform more like the file.
package struct DeclarationStep: Sendable, Encodable {
    package enum Change: String, Sendable, Encodable {
        case create, change, remove
    }

    /// One thing that becomes different. Never a secret.
    package struct Detail: Sendable, Equatable, Encodable {
        package let name: String
        package let before: String?
        package let after: String?
    }

    package let change: Change
    /// `tenant`, `workspace`, `member`, …
    package let kind: String
    /// `acme/production`.
    package let name: String
    package let details: [Detail]
    /// The name of the tenant that it happens in; empty for what belongs to the platform.
    let tenant: String
    let action: DeclarationAction

    private enum CodingKeys: String, CodingKey { case change, kind, name, details }

    /// `~ workspace acme/production  state: suspended -> active`.
    package var text: String {
        let sign =
            switch change {
            case .create: "+"
            case .change: "~"
            case .remove: "-"
            }
        let shown = details.map { detail in
            switch (detail.before, detail.after) {
            case (let before?, let after?): "\(detail.name): \(before) -> \(after)"
            case (nil, let after?): "\(detail.name): \(after)"
            case (let before?, nil): "\(detail.name): \(before) -> none"
            case (nil, nil): detail.name
            }
        }
        return "\(sign) \(kind) \(name)" + (shown.isEmpty ? "" : "  " + shown.joined(separator: ", "))
    }
}

/// What a step does. Things that an earlier step may have made are named, within the step's tenant; all others have
/// their identifier.
enum DeclarationAction: Sendable, Equatable {
    case createTenant
    case changeTenant(DirectoryChangeRequest)
    case deleteTenant
    case createWorkspace(String)
    case changeWorkspace(String, DirectoryChangeRequest)
    case deleteWorkspace(String)
    case createAccount(String)
    case changeAccount(String, UserChange)
    case addPerson(String, role: String, workspace: String?)
    case addAccount(String, role: String, workspace: String?)
    case changeMember(MemberID, MemberChange)
    case removeMember(MemberID)
    /// Its tenant is filled in when it is done.
    case createRule(NewRule)
    case replaceRule(RuleID, NewRule)
    case removeRule(RuleID)
    case addProvider(String, endpoint: String?)
    case putKey(ProviderID, of: String)
    case removeProvider(ProviderID)
    case register(NewDeployment)
    case changeDeployment(DeploymentID, DeploymentChangeRequest)
    case replaceDeployment(DeploymentID, NewDeployment)
    case deregister(DeploymentID)
}
