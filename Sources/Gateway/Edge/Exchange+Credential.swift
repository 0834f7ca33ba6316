import Flows
import Inference
import Kernel
import NIOCore
import Tenancy

/// Which key a request shows, and what is known of it.
extension Exchange {
    /// Goes on with the verdict where memory has it, which takes no text and no digest for the key that the
    /// connection's last request had; else asks for it.
    func checkKey() {
        let keys = core.flow.keys
        if let digest = knownDigest, let known = keys.cached(digest) { return take(known) }
        guard let token = bearerToken else {
            return end(for: Problem(.authenticationRequired, parameter: "Authorization"))
        }
        let digest = keys.digest(of: token)
        guard let known = keys.cached(digest) else { return verify(String(token)) }
        if case .accepted = known.verdict { keep(digest) }
        take(known)
    }

    private func take(_ known: KeyVerifier.Cached) {
        let keys = core.flow.keys
        if known.wantsRenewal, let token = bearerToken {
            let text = String(token)
            // Nobody waits for it: its outcome is in the cache, for the next request.
            core.startTask { _ = try? await keys.verify(text) }
        }
        if case .refused = known.verdict {
            edge.credential = CredentialMemo()
            return end(for: keys.refusal(from: client))
        }
        didVerify(.success(known.verdict))
    }

    /// Of the same bytes in the same field of the connection's last request.
    private var knownDigest: Digest256? {
        guard let isBearer = showsBearer else { return nil }
        return withCredential(isBearer) { edge.credential.digest(of: $0, isBearer: isBearer) } ?? nil
    }

    private func keep(_ digest: Digest256) {
        guard let isBearer = showsBearer else { return }
        withCredential(isBearer) { edge.credential.keep(digest, of: $0, isBearer: isBearer) }
    }

    /// Whether the key stands in `authorization`; else it stands in `x-api-key`. Nil where there is none.
    private var showsBearer: Bool? {
        if head.headers.contains(name: "authorization") { return true }
        if operation == .messages { return false }
        return nil
    }

    @discardableResult
    private func withCredential<Answer>(
        _ isBearer: Bool, _ body: (UnsafeRawBufferPointer) -> Answer
    ) -> Answer? {
        head.headers.withFirst(isBearer ? "authorization" : "x-api-key", body)
    }

    /// The key's token, as far as the request carries one of the right form.
    var token: KeyToken? {
        bearerToken.flatMap { KeyToken($0) }
    }

    /// Anthropic's clients send the key in a field of its own.
    private var bearerToken: Substring? {
        guard let isBearer = showsBearer else { return nil }
        if isBearer { return head.headers.first(name: "authorization").flatMap { Self.bearerToken(in: $0) } }
        return head.headers.first(name: "x-api-key").flatMap { $0.isEmpty ? nil : $0[...] }
    }

    private static func bearerToken(in header: String) -> Substring? {
        let bytes = header.utf8
        // By bytes: characters of a text cost more than all the rest of the check.
        guard bytes.count > 7, zip(bytes, "bearer ".utf8).allSatisfy({ $0 == $1 || $0 | 0x20 == $1 }) else {
            return nil
        }
        let token = bytes.dropFirst(7).drop { $0 == UInt8(ascii: " ") }
        return token.isEmpty ? nil : Substring(token)
    }
}
