/// What each target may import: the walls of the house, written once. Package.swift must agree.
struct Room: Sendable {
    let name: String
    /// Targets of ours.
    let ours: Set<String>

    init(_ name: String, _ ours: Set<String> = []) {
        self.name = name
        self.ours = ours
    }
}

private let domains: Set<String> = ["Tenancy", "Inference", "Fleet", "Billing"]
private let pure = domains.union(["Kernel", "Database"])

let rooms: [Room] = [
    Room("CSupport"),
    Room("CArgon2"),
    Room("CPostgres"),
    Room("Kernel"),
    // Domains are blind to each other; what crosses them is a flow.
    Room("Tenancy", ["Kernel"]),
    Room("Inference", ["Kernel"]),
    Room("Fleet", ["Kernel"]),
    Room("Billing", ["Kernel"]),
    Room("Flows", domains.union(["Kernel"])),
    Room("Database", ["Kernel"]),
    Room("SQLiteEngine", ["Kernel", "Database"]),
    Room("PostgresEngine", ["Kernel", "Database", "CPostgres"]),
    // What settles usage and money in one transaction is a port of a flow, since neither domain knows the other.
    Room("Stores", domains.union(["Kernel", "Database", "Flows"])),
    Room("Journal", ["Kernel", "Inference", "CSupport"]),
    Room("Cryptography", ["Kernel", "Tenancy", "Billing", "CArgon2"]),
    Room("Runtimes", ["Kernel", "Fleet", "BundledRecipes", "BundledWorkers", "CSupport"]),
    Room("BundledRecipes"),
    Room("BundledWorkers"),
    Room("BundledAPI"),
    Room("Telemetry", ["Kernel"]),
    // Clocks, seeds and fakes for tests; no other room of Sources knows it.
    Room("TestKit", domains.union(["Kernel", "Flows", "Database", "Journal"])),
    // Production code under one seed; not shipped.
    Room(
        "Scenarios",
        domains.union(["Kernel", "Flows", "Database", "SQLiteEngine", "Stores", "Journal", "Gateway", "TestKit"])),
    Room("simulate", ["Scenarios", "TestKit"]),
    Room("Gateway", ["Kernel", "Flows", "Tenancy", "Inference", "Billing", "CSupport"]),
    Room("HTTPAPI", domains.union(["Kernel", "Flows"])),
    // Only App names a concrete adapter.
    Room(
        "App",
        domains.union([
            "Kernel", "Flows", "Database", "SQLiteEngine", "PostgresEngine", "Stores", "Journal", "Cryptography",
            "Runtimes",
            "Telemetry", "Gateway", "HTTPAPI", "CSupport", "BundledAPI",
        ])),
    Room("volery", ["App", "CSupport", "Kernel", "Flows", "Fleet", "Inference", "Billing"]),
]

/// A module of somebody else's, by the beginning of its name, and the only rooms that may know it.
struct Outsider: Sendable {
    let prefix: String
    let rooms: Set<String>
    let reason: String
}

private let planes: Set<String> = ["Gateway", "HTTPAPI", "App"]

let outsiders: [Outsider] = [
    Outsider(
        prefix: "GRDB", rooms: ["SQLiteEngine", "TestKit"], reason: "one engine knows SQLite; all else knows the port"),
    Outsider(
        prefix: "NIO", rooms: planes.union(["Runtimes", "TestKit", "Scenarios"]),
        reason: "the network belongs to the edge"),
    Outsider(prefix: "Hummingbird", rooms: planes, reason: "HTTP belongs to the two planes"),
    Outsider(prefix: "HTTPTypes", rooms: planes, reason: "HTTP belongs to the two planes"),
    Outsider(prefix: "AsyncHTTPClient", rooms: ["Runtimes", "App", "volery"], reason: "calls out belong to adapters"),
    Outsider(prefix: "CPostgres", rooms: ["PostgresEngine"], reason: "one engine knows libpq"),
    Outsider(prefix: "CArgon2", rooms: ["Cryptography"], reason: "hashing has one home"),
    Outsider(prefix: "Crypto", rooms: ["Cryptography", "Runtimes", "App"], reason: "cryptography has one home"),
    Outsider(prefix: "Yams", rooms: ["Runtimes", "App"], reason: "files are parsed at the edge"),
    Outsider(prefix: "Subprocess", rooms: ["Runtimes"], reason: "child processes belong to the process driver"),
    Outsider(prefix: "SystemPackage", rooms: ["Runtimes", "App"], reason: "only the process driver's types need it"),
    Outsider(prefix: "ServiceLifecycle", rooms: ["App"], reason: "start and stop are composed in one place"),
    Outsider(prefix: "UnixSignals", rooms: ["App", "volery"], reason: "signals are handled in one place"),
    Outsider(
        prefix: "ArgumentParser", rooms: ["volery", "simulate"], reason: "the command line stays out of the platform"),
    Outsider(prefix: "CoreMetrics", rooms: ["Telemetry"], reason: "everybody else emits through Metrics"),
]

/// Modules that come with Swift or are facades everybody but the pure rooms may use.
private let platform: Set<String> = [
    "Swift", "Synchronization", "FoundationEssentials", "Glibc", "Musl", "Darwin", "Testing", "Dispatch",
]
private let facades: Set<String> = ["Logging", "Metrics", "Foundation", "FoundationNetworking"]

struct WallRules: Sendable {
    private let statement: Pattern

    init() throws {
        statement = try Pattern(
            #"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:package|internal|private|fileprivate|public)\s+)?import\s+"#
                + #"(?:(?:struct|class|enum|protocol|typealias|func|var|let)\s+)?(\w+)"#)
    }

    func imports(of source: SwiftSource) -> [(line: Int, module: String)] {
        source.code.enumerated().flatMap { index, line in
            statement.captures(in: line).map { (index + 1, $0[0]) }
        }
    }

    func violations(in source: SwiftSource) -> [Violation] {
        guard !source.isTest else { return [] }
        guard let room = rooms.first(where: { $0.name == roomName(of: source) }) else {
            let reason = "\(source.room) is no row of Walls.swift"
            return [Violation(rule: "wall", path: source.path, line: 1, reason: reason)]
        }
        return imports(of: source).compactMap { line, module in
            objection(to: module, in: room)
                .map { Violation(rule: "wall", path: source.path, line: line, reason: $0) }
        }
    }

    private func roomName(of source: SwiftSource) -> String {
        switch source.room {
        case "runtimes": "BundledRecipes"
        case "workers": "BundledWorkers"
        case "openapi": "BundledAPI"
        default: source.room
        }
    }

    private func objection(to module: String, in room: Room) -> String? {
        if rooms.contains(where: { $0.name == module }) {
            guard !room.ours.contains(module) else { return nil }
            return "\(room.name) may not know \(module); it may import \(room.ours.sorted().joined(separator: ", "))"
        }
        if let outsider = outsiders.first(where: { module.hasPrefix($0.prefix) }) {
            guard !outsider.rooms.contains(room.name) else { return nil }
            return "\(room.name) may not import \(module): \(outsider.reason)"
        }
        if facades.contains(module) {
            guard pure.contains(room.name) else { return nil }
            return "\(room.name) is pure and may not import \(module); FoundationEssentials is the most it needs"
        }
        guard !platform.contains(module) else { return nil }
        return "\(module) is unknown to Walls.swift: add a row that says who may use it"
    }
}
