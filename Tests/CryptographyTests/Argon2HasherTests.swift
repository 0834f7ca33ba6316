import Kernel
import Tenancy
import TestKit
import Testing

@testable import Cryptography

@Suite struct Argon2HasherTests {
    private func hasher(
        parameters: Argon2Parameters = Argon2Parameters(memoryKiB: 64, passes: 1, lanes: 1),
        limits: Argon2Hasher.Limits = Argon2Hasher.Limits()
    ) -> Argon2Hasher {
        Argon2Hasher(random: SystemRandom(), parameters: parameters, limits: limits)
    }

    @Test("a secret is verified against its own hash only")
    func verifies() async throws {
        let hasher = hasher()
        let hash = try await hasher.hash(Secret("correct horse"))
        #expect(try await hasher.verify(Secret("correct horse"), against: hash))
        #expect(try await !hasher.verify(Secret("correct hors"), against: hash))
        #expect(try await !hasher.verify(Secret(""), against: hash))
        #expect(try await hasher.hash(Secret("correct horse")) != hash, "each hash has a salt of its own")
        #expect(!hash.contains("horse"))
    }

    @Test("the usual parameters are OWASP's, and the hash says them")
    func usualParameters() async throws {
        let hasher = Argon2Hasher(random: SystemRandom())
        let hash = try await hasher.hash(Secret("x"))
        #expect(hash.hasPrefix("$argon2id$v=19$m=19456,t=2,p=1$"))
        #expect(try await hasher.verify(Secret("x"), against: hash))
    }

    @Test("a hash made elsewhere with other parameters is verified")
    func vector() async throws {
        // From the test suite of the reference implementation, version 1.3.
        let hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
        #expect(try await hasher().verify(Secret("password"), against: hash))
        #expect(try await !hasher().verify(Secret("Password"), against: hash))
        let made = try Argon2.hash(
            Secret("password"), salt: Array("somesalt".utf8),
            parameters: Argon2Parameters(memoryKiB: 256, passes: 2, lanes: 1))
        #expect(made == hash)
    }

    @Test("a stored hash that cannot be read is our error, not a refusal", arguments: ["", "plain", "$argon2i$v=19$x"])
    func unreadable(hash: String) async {
        do {
            _ = try await hasher().verify(Secret("x"), against: hash)
            Issue.record("verified")
        } catch {
            #expect((error as? Problem)?.code == .internalError)
        }
    }
}

@Suite struct WorkerThreadsTests {
    @Test("no more run at once than there are threads, and what does not fit is refused")
    func bounds() async throws {
        let workers = WorkerThreads(count: 2, waiting: 3)
        let stall = Stall()
        let refused = Shared(0)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    do {
                        try await workers.run { stall.hold() }
                    } catch {
                        #expect(error as? WorkerThreads.Refusal == .full)
                        refused.update { $0 += 1 }
                    }
                }
            }
            try? await eventually("fifteen are refused") { refused.value == 15 && stall.holding == 2 }
            #expect(stall.holding == 2)
            stall.release()
        }
        #expect(refused.value == 15)
        #expect(stall.most == 2)
        #expect(try await workers.run { 7 } == 7)
    }

    @Test("waiting work whose task is cancelled never runs")
    func cancelled() async throws {
        let workers = WorkerThreads(count: 1, waiting: 3)
        let stall = Stall()
        async let held: Void = workers.run { stall.hold() }
        try await eventually("the thread is busy") { stall.holding == 1 }
        let ran = Shared(0)
        let waiting = Task { try await workers.run { ran.update { $0 += 1 } } }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        stall.release()
        try await held
        #expect(try await workers.run { 1 } == 1)
        #expect(ran.value == 0)
    }

    @Test("an overloaded hasher says when to come back")
    func overloaded() async throws {
        var limits = Argon2Hasher.Limits()
        limits.threads = 1
        limits.waiting = 1
        let hasher = Argon2Hasher(random: SystemRandom(), limits: limits)
        let problems = Shared<[Problem]>([])
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<30 {
                group.addTask {
                    do {
                        _ = try await hasher.hash(Secret("x"))
                    } catch let problem as Problem {
                        problems.update { $0.append(problem) }
                    } catch {
                        Issue.record("\(error)")
                    }
                }
            }
        }
        #expect(!problems.value.isEmpty)
        #expect(problems.value.allSatisfy { $0.code == .overloaded && $0.retryAfter == 1 })
    }
}

@Suite struct HMACTokenDigestTests {
    @Test("the same text has the same digest in one process only")
    func keyed() {
        let (one, other) = (HMACTokenDigest(random: SystemRandom()), HMACTokenDigest(random: SystemRandom()))
        #expect(one.digest(of: "vk_a") == one.digest(of: "vk_a"))
        #expect(one.digest(of: "vk_a") == one.digest(of: "xvk_a".dropFirst()))
        #expect(one.digest(of: "vk_a") != one.digest(of: "vk_b"))
        #expect(one.digest(of: "vk_a") != other.digest(of: "vk_a"))
    }

    @Test("the digest is HMAC-SHA256")
    func vector() {
        // RFC 4231, test case 1: the key is twenty bytes of 0x0B, which HMAC pads with zeros to its block.
        let digest = HMACTokenDigest(
            random: FixedRandom(words: [0x0B0B_0B0B_0B0B_0B0B, 0x0B0B_0B0B_0B0B_0B0B, 0x0B0B_0B0B, 0])
        )
        .digest(of: "Hi There")
        #expect(digest.words.0.bigEndian == 0xB034_4C61_D8DB_3853)
        #expect(digest.words.1.bigEndian == 0x5CA8_AFCE_AF0B_F12B)
        #expect(digest.words.2.bigEndian == 0x881D_C200_C983_3DA7)
        #expect(digest.words.3.bigEndian == 0x26E9_376C_2E32_CFF7)
    }
}
