import Billing
import Flows
import Foundation
import HTTPAPI
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Inference
import Kernel
import Logging
import NIOCore
import Tenancy
import TestKit
import Testing

/// The API over stores in memory, asked through its router.
struct House {
    static let token = "vo_" + String(repeating: "7", count: 40)

    let workspace: Workspace
    let samples: Samples
    let directory: MemoryDirectory
    let usage = MemoryUsageStore()
    let shop = MemoryShop()
    let prices = MemoryPrices()
    let access = RecordingAccess()
    let parts: ControlParts
    let api: ControlAPI
    let app: Application<RouterResponder<ControlContext>>

    init(readiness: Readiness? = nil) async throws {
        let samples = Samples()
        let clock = samples.clock
        let directory = MemoryDirectory(clock: clock)
        let keys = MemoryKeyStore(in: directory)
        let deployments = MemoryRegistryStore()
        let routings = MemoryRoutingStore()
        workspace = try await directory.ensure(
            tenant: "default", workspace: "default", ids: samples.ids, now: clock.now)
        self.samples = samples
        self.directory = directory
        let failures = FailedCredentials(clock: clock, limits: FailedCredentials.Limits(perMinute: 0))
        let verifier = KeyVerifier(
            store: keys, hasher: TransparentHasher(), digests: PlainDigest(), clock: clock, failures: failures)
        let parts = ControlParts(
            home: workspace,
            stores: ControlStores(
                keys: keys, tenants: directory, workspaces: directory, users: directory, members: directory,
                rules: directory, audit: directory, providers: MemoryProviderStore(), secrets: MemorySecretStore(),
                deployments: deployments, routings: routings, usage: usage, routes: usage),
            money: MoneyParts(prices: prices, shop: shop, usage: usage), access: access, hasher: TransparentHasher(),
            sealer: PlainBox(), codes: PlainCodes(),
            verification: AuditVerificationFlow(store: directory, anchors: MemoryAnchors(), sealer: PlainSealer()),
            verifier: verifier, revocations: nil,
            registry: RegistryRefresh(
                registry: Registry(), store: deployments, routings: routings, clock: clock),
            runtimes: { [] }, clock: clock, ids: samples.ids, random: SeededRandom(seed: 5))
        self.parts = parts
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let signIn = SignInFlow(
            SignInFlow.Parts(
                users: directory, sessions: directory, audit: directory, hasher: TransparentHasher(),
                sealer: PlainBox(), codes: PlainCodes(), digests: PlainSessionDigest(), failures: failures,
                clock: clock, ids: samples.ids, random: SeededRandom(seed: 6), startTask: { _ in }))
        let authentication = CallerAuthentication(
            operatorToken: Secret(Self.token), keys: verifier, sessions: directory,
            directory: PrincipalDirectory(
                users: directory, members: directory, tenants: directory, workspaces: directory, rules: directory),
            digests: PlainSessionDigest(), clock: clock)
        let shown =
            readiness
            ?? Readiness(
                registry: RegistrySnapshot(), services: [], isDraining: false, blocked: [], version: "0.1.0")
        api = ControlAPI(
            control: { ControlFlow(caller: $0, parts: parts) }, authentication: authentication, signIn: signIn,
            idempotency: IdempotencyFlow(
                store: MemoryIdempotencyStore(clock: clock), digest: PlainRequestDigest(), clock: clock,
                logger: logger),
            readiness: { shown }, openAPI: Array("openapi: 3.1.0\n".utf8), ids: samples.ids, clock: clock,
            logger: logger)
        app = Application(router: api.makeRouter())
    }

    /// The operator's own, without the wire.
    var flow: ControlFlow { ControlFlow(caller: Caller(principal: .platformOperator), parts: parts) }

    func ask(
        _ method: HTTPRequest.Method, _ path: String, token: String? = House.token, body: String? = nil,
        type: String? = "application/json", fields: HTTPFields = [:]
    ) async throws -> TestResponse {
        var headers = fields
        if let token { headers[.authorization] = "Bearer \(token)" }
        if body != nil { headers[.contentType] = type }
        return try await app.test(.router) { [headers] client in
            try await client.execute(
                uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) })
        }
    }
}

extension MoneyParts {
    /// Over stores in memory.
    init(prices: MemoryPrices, shop: MemoryShop, usage: MemoryUsageStore) {
        self.init(
            prices: prices, budgets: shop, limits: shop, wallets: shop, spending: shop, ledger: shop, reports: shop,
            usage: usage,
            actions: Actions(
                didChange: {}, verify: { .empty }, suspended: { Page(rows: [], limit: $0.limit) { "\($0.request)" } },
                resolve: { SuspenseResolution(resolved: 0, left: 0) }))
    }
}

extension TestResponse {
    func json() throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(body.readableBytesView)) as? [String: Any])
    }

    func field(_ name: String) -> String? { HTTPField.Name(name).flatMap { headers[$0] } }
}
