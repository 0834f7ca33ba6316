import Flows
import Inference
import Kernel
import Tenancy
import Yams

extension Declaration {
    /// What reading a file came to.
    struct Reading {
        var declaration = Declaration()
        /// Everything that is wrong, in the file's order.
        var faults: [DeclarationFault] = []
        /// Where the settings stand that are beside the declaration. Whether they are good, `Configuration` says.
        var settings: [String: Mark] = [:]
    }

    static func read(yaml: String) -> Reading {
        let text = YAMLText(yaml: yaml)
        var reader = DeclarationReader(text)
        var reading = Reading()
        let known = keys + Settings.table.map(\.key)
        let root = text.root.map { DeclaredNode(node: $0, place: "") }
        if let root, let fields = reader.fields(root, known: known) {
            reading.declaration.read(fields, &reader)
            for (name, node) in fields.nodes where !keys.contains(name) { reading.settings[name] = node.mark }
        }
        reading.faults = reader.faults.sorted()
        return reading
    }

    private mutating func read(_ fields: DeclaredFields, _ reader: inout DeclarationReader) {
        if let items = reader.items(fields["tenants"]) {
            let read = items.map { ($0, TenantDeclaration($0, &reader)) }
            tenants = read.compactMap(\.1)
            reader.refuseRepeats(read.named(\.name)) { "is a second tenant named `\($0)`" }
        }
        if let items = reader.items(fields["providers"]) {
            let read = items.map { ($0, ProviderDeclaration($0, &reader)) }
            providers = read.compactMap(\.1)
            reader.refuseRepeats(read.named(\.name)) { "is a second provider named `\($0)`" }
        }
        readDeployments(fields, &reader)
    }

    private mutating func readDeployments(_ fields: DeclaredFields, _ reader: inout DeclarationReader) {
        guard fields.has("models") || fields.has("deployments") else { return }
        var all: [(DeclaredNode, DeploymentDeclaration?)] = []
        for item in reader.items(fields["models"]) ?? [] { all += DeploymentDeclaration.ofModel(item, &reader) }
        for item in reader.items(fields["deployments"]) ?? [] {
            all.append((item, DeploymentDeclaration(item, DeploymentDeclaration.Shared(), &reader)))
        }
        deployments = all.compactMap(\.1)
        reader.refuseRepeats(all.named(\.identity)) { "is a second deployment of \($0)" }
        guard let providers else { return }
        for (item, deployment) in all { checkProvider(of: deployment, item, among: providers, &reader) }
    }

    private func checkProvider(
        of deployment: DeploymentDeclaration?, _ item: DeclaredNode, among providers: [ProviderDeclaration],
        _ reader: inout DeclarationReader
    ) {
        guard let name = deployment?.provider else { return }
        guard let provider = providers.first(where: { $0.name == name }) else {
            reader.complain(
                item,
                "names the provider `\(name)`, which the file does not have"
                    + DeclarationReader.suggestion(for: name, among: providers.map(\.name)))
            return
        }
        guard let own = provider.place, let endpoint = deployment?.endpoint else { return }
        if endpoint.scheme != own.scheme || endpoint.host != own.host || endpoint.port != own.port {
            reader.complain(item, "is at \(endpoint), and not at its provider, which is at \(own)")
        }
    }
}

extension Array {
    /// The values that could be read, each with its key.
    func named<Value>(_ key: (Value) -> String) -> [(node: DeclaredNode, key: String)]
    where Element == (DeclaredNode, Value?) {
        compactMap { node, value in value.map { (node, key($0)) } }
    }
}

extension TenantDeclaration {
    private static let known = ["name", "state", "workspaces", "members", "service_accounts", "rules"]

    init?(_ node: DeclaredNode, _ reader: inout DeclarationReader) {
        guard let fields = reader.fields(node, known: Self.known, required: ["name"]) else { return nil }
        let name = reader.name(fields["name"])
        let state = reader.choice(fields["state"], DeclaredState.self)
        var workspaces: [WorkspaceDeclaration]?
        if let items = reader.items(fields["workspaces"]) {
            let read = items.map { ($0, WorkspaceDeclaration($0, &reader)) }
            reader.refuseRepeats(read.named(\.name)) { "is a second workspace named `\($0)`" }
            workspaces = read.compactMap(\.1)
        }
        // Without a list of workspaces, those of the platform are meant; these are looked for later.
        let names = workspaces?.map(\.name)
        var members: [PlaceDeclaration]?
        if let items = reader.items(fields["members"]) {
            let read = items.map { ($0, PlaceDeclaration($0, workspaces: names, &reader)) }
            reader.refuseRepeats(read.named(\.key)) { "is a second place of \($0)" }
            members = read.compactMap(\.1)
        }
        var accounts: [ServiceAccountDeclaration]?
        if let items = reader.items(fields["service_accounts"]) {
            let read = items.map { ($0, ServiceAccountDeclaration($0, workspaces: names, &reader)) }
            reader.refuseRepeats(read.named(\.name)) { "is a second service account named `\($0)`" }
            accounts = read.compactMap(\.1)
        }
        var rules: [RuleDeclaration]?
        if let items = reader.items(fields["rules"], most: mostRulesOfTenant) {
            let read = items.map { ($0, RuleDeclaration($0, workspaces: names, &reader)) }
            reader.refuseRepeats(read.named(\.name)) { "is a second rule named `\($0)`" }
            rules = read.compactMap(\.1)
        }
        guard let name else { return nil }
        self.init(
            name: name, state: state, workspaces: workspaces, members: members, serviceAccounts: accounts,
            rules: rules)
    }
}

extension WorkspaceDeclaration {
    /// A name alone will do.
    init?(_ node: DeclaredNode, _ reader: inout DeclarationReader) {
        if node.node.scalar != nil {
            guard let name = reader.name(node) else { return nil }
            self.init(name: name)
            return
        }
        guard let fields = reader.fields(node, known: ["name", "state"], required: ["name"]) else { return nil }
        let name = reader.name(fields["name"])
        let state = reader.choice(fields["state"], DeclaredState.self)
        guard let name else { return nil }
        self.init(name: name, state: state)
    }
}

extension DeclarationReader {
    /// The name of a workspace that the tenant has.
    mutating func workspace(_ value: DeclaredNode?, among names: [String]?) -> String? {
        guard let value, let name = name(value) else { return nil }
        if let names, !names.contains(name) {
            complain(
                value,
                "is `\(name)`, which is none of the tenant's workspaces"
                    + Self.suggestion(for: name, among: names))
        }
        return name
    }
}

extension PlaceDeclaration {
    /// Two places with the same one are a contradiction.
    var key: String { "`\(user)`" + (workspace.map { " in `\($0)`" } ?? "") }

    init?(_ node: DeclaredNode, workspaces: [String]?, _ reader: inout DeclarationReader) {
        guard
            let fields = reader.fields(node, known: ["user", "role", "workspace"], required: ["user", "role"])
        else { return nil }
        let user = reader.name(fields["user"])
        let role = reader.choice(fields["role"], among: Tenancy.Role.allCases)
        let workspace = reader.workspace(fields["workspace"], among: workspaces)
        guard let user, let role else { return nil }
        self.init(user: user, role: role, workspace: workspace)
    }
}

extension ServiceAccountDeclaration {
    init?(_ node: DeclaredNode, workspaces: [String]?, _ reader: inout DeclarationReader) {
        let known = ["name", "state", "role", "workspace"]
        guard let fields = reader.fields(node, known: known, required: ["name"]) else { return nil }
        let name = reader.name(fields["name"])
        let state = reader.choice(fields["state"], DeclaredState.self)
        let role = reader.choice(fields["role"], among: Tenancy.Role.allCases)
        let workspace = reader.workspace(fields["workspace"], among: workspaces)
        if let place = fields["workspace"], !fields.has("role") { reader.complain(place, "needs a `role` beside it") }
        guard let name else { return nil }
        self.init(name: name, state: state, role: role, workspace: workspace)
    }
}

extension ProviderDeclaration {
    private static let known = ["name", "endpoint", "key_file", "key_env"]

    /// Where it is, also when the file leaves it to what is known; nil where nothing is.
    var place: Inference.Endpoint? { endpoint ?? (try? KnownProviders.endpoint(of: name)) }

    init?(_ node: DeclaredNode, _ reader: inout DeclarationReader) {
        guard let fields = reader.fields(node, known: Self.known, required: ["name"]) else { return nil }
        let name = reader.parsed(fields["name"], allowed: "1 to 64 of a-z, 0-9 and -, not beginning with -") {
            text -> String? in
            let isName = text.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
            }
            return isName && (1...64).contains(text.utf8.count) && text.first != "-" ? text : nil
        }
        let endpoint = reader.parsed(
            fields["endpoint"], allowed: "https://HOST[:PORT][/PATH], and http:// to this machine itself"
        ) { text -> Inference.Endpoint? in
            guard let endpoint = Inference.Endpoint(text) else { return nil }
            let isSafe = endpoint.scheme == .https || endpoint.scheme == .http && endpoint.isOnThisMachine
            return isSafe ? endpoint : nil
        }
        if let name, !fields.has("endpoint"), let value = fields["name"] {
            do {
                _ = try KnownProviders.endpoint(of: name)
            } catch {
                reader.complain(value, "needs an `endpoint`. \(error.hint)")
            }
        }
        let file = reader.parsed(fields["key_file"], allowed: "a path") { $0.isEmpty ? nil : $0 }
        let variable = reader.parsed(
            fields["key_env"], allowed: "the name of an environment variable, and not the key itself", isShown: false
        ) { text -> String? in
            let isName = text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"): true
                default: false
                }
            }
            return isName && !text.isEmpty ? text : nil
        }
        if let second = fields["key_env"], fields.has("key_file") {
            reader.complain(second, "stands beside `key_file`; one of them says where the key is")
        }
        guard let name else { return nil }
        self.init(
            name: name, endpoint: endpoint,
            key: file.map(KeySource.file) ?? variable.map(KeySource.environment))
    }
}

extension DeclarationReader {
    /// A URL on a network.
    mutating func endpoint(_ value: DeclaredNode?) -> Inference.Endpoint? {
        parsed(value, allowed: "http://HOST[:PORT][/PATH] or https://…, without user, query or fragment") { text in
            guard let endpoint = Inference.Endpoint(text), endpoint.scheme != .builtIn else { return nil }
            return endpoint
        }
    }
}
