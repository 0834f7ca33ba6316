import HTTPTypes
import Kernel
import Tenancy

/// docs/permissions.md: the table of permissions and roles, and what each route asks, as they are in the code.
package enum PermissionsPage {
    package static func text(routes: [Route]) -> String {
        """
        # Permissions

        Who may do what. This page is made from the code, with
        `VOLERY_WRITE_DOCS=1 swift test --filter PermissionsPageTests`.

        A caller has grants: permissions, and how far they reach. The operator token reaches everywhere; a person or a
        service account has a role in a tenant or in one workspace of it; an API key has its scopes in its workspace,
        and if it is a user's key, no more than that user's roles there. Nothing is allowed that no grant allows.
        A key's limits (endpoints, models, environment, addresses) and the tenant's access rules then only take away.

        Nobody hands on more than they have: a key's scopes and limits are within its maker's, a role is not above the
        giver's, and a key in another user's name takes `member:write`. A key that ends makes no key that ends later. A
        key that is limited to models, endpoints or addresses gives no roles. A tenant keeps its last owner. Taking away
        is another matter: `key:write` revokes every key of its workspace, also one that holds more, so that whoever
        sees a key leak can end it.

        Who has `member:write` in a tenant adds new people, who get an account, and people of the tenant to another
        workspace of it, up to 1000 members. Only the operator adds a person of elsewhere who has an account already.

        What belongs to another tenant is `404 NOT_FOUND`, exactly like what is not there; what the role does not allow
        is `403 POLICY_DENIED` with the reason.

        ## Permissions and roles

        \(permissions)

        `*` in a key's scopes is everything that an owner may. Permissions without a role are about things of the
        platform: only the operator has them.

        \(roles)

        ## Routes

        The gateway's routes are decided with the model, its environment and the endpoint as well. A model is meant by
        its own name and by its others (`default` of `smollm2`), in a key's scopes and in access rules, whichever a
        caller writes.

        \(table(routes))

        """
    }

    private static var permissions: String {
        let head = "| permission | " + Role.allCases.map(\.rawValue).joined(separator: " | ") + " | what it allows |"
        let rule = "|---|" + Role.allCases.map { _ in ":-:|" }.joined() + "---|"
        let rows = Permission.allCases.map { permission in
            let marks = Role.allCases.map { $0.permissions.contains(permission) ? "x" : " " }.joined(separator: " | ")
            return "| `\(permission.rawValue)` | \(marks) | \(permission.meaning) |"
        }
        return ([head, rule] + rows).joined(separator: "\n")
    }

    private static var roles: String {
        let rows = Role.allCases.map { "| `\($0.rawValue)` | \($0.meaning) |" }
        return (["| role | for whom |", "|---|---|"] + rows).joined(separator: "\n")
    }

    private static func table(_ routes: [Route]) -> String {
        let rows = routes.sorted { ($0.path, $0.method.rawValue) < ($1.path, $1.method.rawValue) }.map { route in
            "| `\(route.method.rawValue) \(written(route.path))` | \(words(route.action)) |"
        }
        return (["| route | asks for |", "|---|---|"] + rows).joined(separator: "\n")
    }

    /// As people write paths: `/v1/admin/keys/{id}`.
    private static func written(_ path: String) -> String {
        path.split(separator: "/", omittingEmptySubsequences: false)
            .map { $0.hasPrefix(":") ? "{\($0.dropFirst())}" : String($0) }.joined(separator: "/")
    }

    private static func words(_ action: RouteAction) -> String {
        switch action {
        case .open(let reason): "nothing. \(reason)"
        case .authenticated: "any good credential, for what is its own"
        case .permission(let first, or: nil): "`\(first.rawValue)`"
        case .permission(let first, or: let second?):
            "`\(first.rawValue)`, or `\(second.rawValue)`, by what it is about"
        }
    }
}
