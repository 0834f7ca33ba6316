import Foundation
import TestKit

/// One authority that has signed nothing. No upstream of a simulation speaks TLS, and reading a machine's hundred and
/// more authorities for every start of the platform would cost more than all the rest of a run.
final class NobodysCertificate: Sendable {
    private let folder: TemporaryFolder
    let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.path("nobody.pem")
        try Data(Self.text.utf8).write(to: URL(fileURLWithPath: path))
    }

    private static let text = """
        -----BEGIN CERTIFICATE-----
        MIIBeDCCAR+gAwIBAgIUByps92UBBMY9hWrcoaWkADXIW08wCgYIKoZIzj0EAwIw
        ETEPMA0GA1UEAwwGbm9ib2R5MCAXDTI2MTEyMTA3MjgwOVoYDzIxMjYxMDI4MDcy
        ODA5WjARMQ8wDQYDVQQDDAZub2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
        AARS9GokfEW4IRs7n4ZSQ2CylDmq2oof7mawt2da2pG57lyIZwHS90KsTOIgInnJ
        z27u7WrkFUXT6F96kCv+s5+Io1MwUTAdBgNVHQ4EFgQUAM7M424087UIKiYPrgTZ
        8mykrJowHwYDVR0jBBgwFoAUAM7M424087UIKiYPrgTZ8mykrJowDwYDVR0TAQH/
        BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiA37MjoSFgXvfBSNQA6EvPvvt6FsPbF
        26bu9jOMYnYZuAIgSxpwQEuBJcQhL6iB3eab+/hDuYY11570OjeJ8yjxNhY=
        -----END CERTIFICATE-----

        """
}
