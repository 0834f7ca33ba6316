import Cryptography
import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct PasswordRuleTests {
    private func refusal(_ password: String, user: String = "ann.example") -> Problem? {
        do throws(Problem) {
            try PasswordRule.check(Secret(password), user: user)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "a password that is long enough is let through, whatever it is made of",
        arguments: ["correct horse battery staple", "aB3$xyz9", "пароль-мой", "        x", "🐎🔋"])
    func good(password: String) { #expect(refusal(password) == nil) }

    @Test(
        "a short one, one of the worst, one without any variety and the user's own name are refused",
        arguments: [
            "", "short", "1234567", "password", "PassWord1", "12345678", "87654321", "aaaaaaaa", "abcdefghij",
            "Ann.Example", "elpmaxe.nna", "changeme", "zero\u{0}byte", String(repeating: "ab", count: 513),
        ])
    func bad(password: String) throws {
        let problem = try #require(refusal(password))
        #expect(problem.code == .validationError)
        #expect(problem.parameter == "password")
        #expect(password.isEmpty || password == "password" || !problem.description.contains(password))
    }

    @Test("a password that is let through is verified against its hash, at both ends of the lengths")
    func hashed() async throws {
        let hasher = Argon2Hasher(
            random: SeededRandom(), parameters: Argon2Parameters(memoryKiB: 64, passes: 1, lanes: 1))
        for password in ["aB3$xyz9", String(repeating: "ab", count: 512)] {
            #expect(refusal(password) == nil)
            let hash = try await hasher.hash(Secret(password))
            #expect(try await hasher.verify(Secret(password), against: hash))
            #expect(try await !hasher.verify(Secret(password + "x"), against: hash))
        }
    }
}
