package import Kernel

/// Codes of six digits that an authenticator application shows (RFC 6238).
package protocol OneTimeCodes: Sendable {
    /// A new shared secret: 20 random bytes in base32, as authenticator applications take it.
    func newSecret() -> Secret
    /// `otpauth://totp/…`, for a picture that such an application reads. It holds the secret.
    func uri(_ secret: Secret, account: String, issuer: String) -> Secret
    /// The time step that the code belongs to: the current one, the one before or the one after; nil for a wrong code.
    ///
    /// Whoever accepts it hands it to `UserStore.useTOTPStep`, since a code works once.
    func step(of code: String, secret: Secret, at now: Instant) -> Int64?
}
