import Cryptography
import Flows
import Kernel
import Tenancy

/// Who may enter the control plane: credentials and sign-in, over the platform's storage.
struct ControlEntrance {
    let authentication: CallerAuthentication
    let signIn: SignInFlow

    init(
        over storage: StorageParts, operatorToken: Secret, keys: KeyVerifier, clock: any Clock, ids: IDSource,
        random: any RandomSource
    ) {
        let digests = SHA256SessionDigest()
        authentication = CallerAuthentication(
            operatorToken: operatorToken, keys: keys, sessions: storage.sessions, directory: storage.directory,
            digests: digests, clock: clock)
        signIn = SignInFlow(
            SignInFlow.Parts(
                users: storage.users, sessions: storage.sessions, audit: storage.audit, hasher: storage.hasher,
                sealer: storage.platformKeys.ring, codes: storage.codes, digests: digests, failures: keys.failures,
                clock: clock, ids: ids, random: random, startTask: { work in Task { await work() } }))
    }
}
