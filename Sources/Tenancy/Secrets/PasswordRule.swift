package import Kernel

/// What a password must be, after NIST SP 800-63B: long enough, and none of those that everybody tries first. No rule
/// about capitals or digits: those make passwords worse.
package enum PasswordRule {
    /// In bytes of UTF-8.
    package static let length = 8...1024

    /// - Parameter user: the name of whoever will sign in with it.
    /// - Throws: `VALIDATION_ERROR`, which never holds the password.
    package static func check(_ password: Secret, user: String) throws(Problem) {
        let text = password.reveal()
        guard length.contains(text.utf8.count) else {
            throw refusal("must have \(length.lowerBound) to \(length.upperBound) bytes")
        }
        guard !text.utf8.contains(0) else { throw refusal("must not hold a zero byte") }
        let plain = text.lowercased()
        guard plain != user.lowercased(), plain != String(user.lowercased().reversed()) else {
            throw refusal("must not be the user's name")
        }
        guard !worst.contains(plain), !isMonotonous(plain) else {
            throw refusal("is one of those that are tried first")
        }
    }

    private static func refusal(_ what: String) -> Problem {
        Problem(
            .validationError, "The password \(what).", parameter: "password",
            hint: "Take several words that only you put together, or let a password manager make one.")
    }

    /// One character again and again, or the next one each time: `aaaaaaaa`, `12345678`, `hgfedcba`.
    private static func isMonotonous(_ text: String) -> Bool {
        let scalars = text.unicodeScalars.map { Int64($0.value) }
        let steps = Set(zip(scalars, scalars.dropFirst()).map { $1 - $0 })
        return steps.count <= 1 && steps.allSatisfy { (-1...1).contains($0) }
    }

    /// Those of 8 and more characters at the top of the lists of leaked passwords, in lower case; and those of this
    /// product that somebody will think of.
    private static let worst: Set<String> = [
        "password", "password1", "password12", "password123", "password1234", "password!", "passw0rd", "p@ssw0rd",
        "p@ssword", "pa$$word", "passwort", "motdepasse", "contraseña", "wachtwoord", "qwertyuiop", "qwerty123",
        "qwerty12", "qwertyui", "qwerty1234", "q1w2e3r4", "q1w2e3r4t5", "1q2w3e4r", "1q2w3e4r5t", "1qaz2wsx",
        "1qaz2wsx3edc", "zaq12wsx", "zaq1zaq1", "asdfghjk", "asdfghjkl", "zxcvbnm1", "asdf1234", "abcd1234",
        "abc12345", "abc123456", "a1b2c3d4", "a1234567", "aa123456", "aa12345678", "123456789a", "1234567890",
        "12345678910", "0123456789", "0987654321", "9876543210", "987654321", "123123123", "123456123", "12341234",
        "12344321", "11223344", "112233445566", "1122334455", "121212121", "147258369", "741852963", "789456123",
        "159357159", "159753159", "123qweasd", "123qwe123", "qwe123qwe", "iloveyou", "iloveyou1", "iloveyou2",
        "sunshine", "sunshine1", "princess", "princess1", "football", "football1", "baseball", "baseball1",
        "superman", "superman1", "batman123", "trustno1", "whatever", "starwars", "computer", "internet",
        "michelle", "jennifer", "jordan23", "charlie1", "michael1", "liverpool", "chelsea1", "arsenal1", "dragon123",
        "monkey123", "master123", "shadow123", "letmein1", "letmein123", "welcome1", "welcome12", "welcome123",
        "welcome!", "changeme", "changeme1", "changeme123", "change-me", "default1", "default123", "secret123",
        "administrator", "admin123", "admin1234", "admin12345", "adminadmin", "administrator1", "rootroot",
        "root1234", "toor1234", "test1234", "testtest", "test12345", "guest123", "user1234", "demo1234",
        "qazwsxedc", "qazwsx123", "1234qwer", "qwer1234", "asdfasdf", "qweasdzxc", "samsung1", "google123",
        "facebook", "facebook1", "linkedin", "minecraft", "pokemon1", "pokemon123", "naruto123", "hello123",
        "helloworld", "volery123", "volery1234", "voleryvolery", "volery2026",
    ]
}
