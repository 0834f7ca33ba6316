import Flows
import Kernel
import Synchronization
import Tenancy
import TestKit
import Testing

@Suite struct SignInTests {
    static let password = Secret("correct horse battery")

    let house: ControlHarness
    let hasher = TransparentHasher()
    let signIn: SignInFlow
    let authentication: CallerAuthentication
    let ann: UserID
    let address = IPAddress("192.0.2.1")

    init() async throws {
        let house = try await ControlHarness()
        self.house = house
        let failures = house.verifier.failures
        signIn = SignInFlow(
            SignInFlow.Parts(
                users: house.directory, sessions: house.directory, audit: house.directory, hasher: hasher,
                sealer: PlainBox(), codes: PlainCodes(), digests: PlainSessionDigest(), failures: failures,
                clock: house.clock, ids: house.samples.ids, random: SeededRandom(seed: 9),
                startTask: { work in Task { await work() } }))
        authentication = CallerAuthentication(
            operatorToken: Secret("vo_" + String(repeating: "7", count: 40)), keys: house.verifier,
            sessions: house.directory,
            directory: PrincipalDirectory(
                users: house.directory, members: house.directory, tenants: house.directory,
                workspaces: house.directory, rules: house.directory),
            digests: PlainSessionDigest(), clock: house.clock)
        _ = try await house.house("acme")
        ann = try await house.flow.addMember(NewMember(user: "ann", role: "admin", tenant: "acme")).user
        _ = try await house.flow.setPassword(NewPassword(user: "ann", password: Self.password))
    }

    private func begin(
        _ user: String = "ann", _ password: Secret = Self.password, code: String? = nil, from: IPAddress? = nil
    ) async throws -> NewSession {
        try await signIn.begin(
            SignIn(user: user, password: password, code: code), from: from ?? address,
            request: house.samples.ids.next())
    }

    private func caller(_ token: Secret) async throws -> Caller {
        try await authentication.caller(
            authorization: ["Bearer \(token.reveal())"], address: address, request: house.samples.ids.next())
    }

    @Test("a session acts as its person until it ends, by itself or by signing out")
    func session() async throws {
        let session = try await begin()
        let caller = try await caller(session.token)
        #expect(caller.principal.user == ann)
        #expect(caller.actor == ann.description)
        _ = try await signIn.end(caller)
        #expect(await problem { try await self.caller(session.token) }?.code == .invalidAPIKey)
        let other = try await begin()
        house.clock.advance(by: .seconds(3601))
        #expect(await problem { try await self.caller(other.token) }?.code == .invalidAPIKey)
        #expect(try await house.acts(of: nil).suffix(3) == ["session.begin", "session.end", "session.begin"])
    }

    @Test("an unknown name, a wrong password and a suspended account have one answer, after one check each")
    func oneAnswer() async throws {
        let before = hasher.verifications
        let wrong = await problem { try await begin("ann", Secret("wrong wrong")) }
        let unknown = await problem { try await begin("nobody", Secret("wrong wrong")) }
        #expect(wrong == unknown)
        #expect(wrong?.code == .invalidAPIKey)
        _ = try await house.flow.changeUser(ann, UserChange(state: "suspended"))
        #expect(await problem { try await begin() } == wrong)
        #expect(hasher.verifications == before + 3)
    }

    @Test("a wrong try at an account that exists is an event, once a minute")
    func noted() async throws {
        for _ in 0..<3 { _ = await problem { try await begin("ann", Secret("wrong wrong")) } }
        _ = await problem { try await begin("nobody", Secret("wrong wrong")) }
        try await eventually("the refusal is in the log") {
            try await house.acts(of: nil).contains("session.begin denied")
        }
        #expect(try await house.acts(of: nil).count { $0 == "session.begin denied" } == 1)
    }

    @Test("guessing at one account is slowed down from wherever it comes, and its owner gets in later")
    func throttledAccount() async throws {
        for host in 1...10 {
            let from = IPAddress("198.51.100.\(host)")
            #expect(await problem { try await begin("ann", Secret("wrong wrong"), from: from) }?.code == .invalidAPIKey)
        }
        let refused = await problem { try await begin(from: IPAddress("198.51.100.99")) }
        #expect(refused?.code == .rateLimited)
        #expect(refused?.retryAfter == 30)
        house.clock.advance(by: .seconds(30))
        #expect(try await begin(from: IPAddress("198.51.100.99")).user == ann)
    }

    @Test("right tries take nothing from the account's measure")
    func rightTries() async throws {
        for _ in 0..<30 { #expect(try await begin().user == ann) }
    }

    @Test("with one-time codes on, a password alone is not enough, and a code works once")
    func codes() async throws {
        let setup = try await house.flow.setOneTimeCodes(ann, on: true)
        #expect(setup.uri?.hasPrefix("otpauth://") == true)
        #expect(await problem { try await begin() }?.code == .authenticationRequired)
        #expect(await problem { try await begin(code: "000000") }?.code == .invalidAPIKey)
        let code = PlainCodes.code(of: house.clock.now.seconds / 30)
        #expect(try await begin(code: code).user == ann)
        #expect(await problem { try await begin(code: code) }?.code == .invalidAPIKey)
        _ = try await house.flow.setOneTimeCodes(ann, on: false)
        #expect(try await begin().user == ann)
    }

    @Test("a new password ends the sessions of the old one")
    func newPassword() async throws {
        let session = try await begin()
        _ = try await house.flow.setPassword(NewPassword(user: "ann", password: Secret("another one of mine")))
        #expect(await problem { try await caller(session.token) }?.code == .invalidAPIKey)
        #expect(await problem { try await begin() }?.code == .invalidAPIKey)
    }

    @Test("suspension ends sessions for good")
    func suspended() async throws {
        let session = try await begin()
        _ = try await house.flow.changeUser(ann, UserChange(state: "suspended"))
        _ = try await house.flow.changeUser(ann, UserChange(state: "active"))
        #expect(await problem { try await caller(session.token) }?.code == .invalidAPIKey)
        #expect(try await begin().user == ann)
    }

    @Test("all three credentials are told apart, and what is none of them is refused")
    func credentials() async throws {
        #expect(try await caller(Secret("vo_" + String(repeating: "7", count: 40))).principal.isOperator)
        let key = try await house.flow.createKey(NewKey(name: "k"))
        #expect(try await caller(key.token).workspace == house.workspace.id)
        for text in ["vo_" + String(repeating: "8", count: 40), "vk_x", "vs_x", "x", ""] {
            #expect(await problem { try await caller(Secret(text)) }?.code == .invalidAPIKey)
        }
        let id: RequestID = house.samples.ids.next()
        for fields in [["Basic x"], ["Bearer a", "Bearer b"]] {
            let problem = await problem {
                try await authentication.caller(authorization: fields, address: nil, request: id)
            }
            #expect(problem?.code == .invalidAPIKey)
        }
        let none = await problem { try await authentication.caller(authorization: [], address: nil, request: id) }
        #expect(none?.code == .authenticationRequired)
    }

    @Test("an address that failed too often is refused before anything is looked up, and good keys go on")
    func throttledAddress() async throws {
        let key = try await house.flow.createKey(NewKey(name: "k"))
        _ = try await caller(key.token)
        for _ in 0..<20 { _ = await problem { try await caller(Secret("vk_x")) } }
        #expect(await problem { try await caller(Secret("vk_x")) }?.code == .rateLimited)
        #expect(try await caller(key.token).workspace == house.workspace.id)
    }

    @Test("a session that was never seen here is looked up also where an address failed too often")
    func newSessionBesideGuesses() async throws {
        let session = try await begin()
        for _ in 0..<20 { _ = await problem { try await caller(Secret("vk_x")) } }
        #expect(try await caller(session.token).principal.user == ann)
        #expect(await problem { try await begin() }?.code == .rateLimited)
    }

    @Test("a session goes on while somebody else at its address guesses, until it ends")
    func sessionBesideGuesses() async throws {
        let session = try await begin()
        _ = try await caller(session.token)
        for _ in 0..<21 { _ = await problem { try await caller(Secret("vs_wrong")) } }
        let guess = SessionToken.make(random: SeededRandom(seed: 3)).text
        #expect(await problem { try await caller(guess) }?.code == .rateLimited)
        let same = try await caller(session.token)
        #expect(same.principal.user == ann)
        _ = try await signIn.end(same)
        #expect(await problem { try await caller(session.token) }?.code == .rateLimited)
    }
}
