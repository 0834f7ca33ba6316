import Flows
import HTTPTypes
import Kernel
import Tenancy

extension NewUser: AdminBody {
    static var fields: [String] { ["name"] }
}

extension UserChange: AdminBody {
    static var fields: [String] { ["state"] }
}

extension NewPassword: AdminBody {
    static var fields: [String] { ["user", "password"] }
}

extension NewServiceAccount: AdminBody {
    static var fields: [String] { ["name", "tenant", "role"] }
}

extension NewMember: AdminBody {
    static var fields: [String] { ["user", "role", "tenant", "workspace"] }
}

extension MemberChange: AdminBody {
    static var fields: [String] { ["role"] }
}

extension ControlAPI {
    var userRoutes: [Route] {
        [
            .admin(.post, "users", .userWrite) { asked in
                try .created(await asked.control.createUser(asked.body(NewUser.self)))
            },
            .admin(.get, "users", .userRead) { asked in
                let query = try asked.query("limit", "after")
                return try .json(await asked.control.listUsers(query.page(of: UserID.self)))
            },
            .admin(.patch, "users/:id", .userWrite, or: .memberWrite) { asked in
                let id = try asked.identifier(UserKind.self)
                return try .json(await asked.control.changeUser(id, asked.body(UserChange.self)))
            },
            .admin(.put, "users/password", .userWrite) { asked in
                try .json(await asked.control.setPassword(asked.body(NewPassword.self)))
            },
            .admin(.put, "users/:id/one-time-codes", .userWrite) { asked in
                try .json(await asked.control.setOneTimeCodes(asked.identifier(), on: true))
            },
            .admin(.delete, "users/:id/one-time-codes", .userWrite) { asked in
                try .json(await asked.control.setOneTimeCodes(asked.identifier(), on: false))
            },
        ]
    }

    var serviceAccountRoutes: [Route] {
        [
            .admin(.post, "service-accounts", .memberWrite) { asked in
                try .created(await asked.control.createServiceAccount(asked.body(NewServiceAccount.self)))
            },
            .admin(.get, "service-accounts", .memberRead) { asked in
                let query = try asked.query("tenant", "limit", "after")
                return try .json(
                    await asked.control.listServiceAccounts(
                        in: query.identifier("tenant"), query.page(of: UserID.self)))
            },
            .admin(.patch, "service-accounts/:id", .memberWrite, or: .userWrite) { asked in
                let id = try asked.identifier(UserKind.self)
                return try .json(await asked.control.changeUser(id, asked.body(UserChange.self)))
            },
        ]
    }

    var memberRoutes: [Route] {
        [
            .admin(.post, "members", .memberWrite) { asked in
                try .created(await asked.control.addMember(asked.body(NewMember.self)))
            },
            .admin(.get, "members", .memberRead) { asked in
                let query = try asked.query("tenant", "workspace", "limit", "after")
                return try .json(
                    await asked.control.listMembers(
                        in: query.identifier("tenant"), workspace: query.identifier("workspace"),
                        query.page(of: MemberID.self)))
            },
            .admin(.patch, "members/:id", .memberWrite) { asked in
                let id = try asked.identifier(MemberKind.self)
                return try .json(await asked.control.changeMember(id, asked.body(MemberChange.self)))
            },
            .admin(.delete, "members/:id", .memberWrite) { asked in
                try .json(await asked.control.removeMember(asked.identifier()))
            },
        ]
    }
}
