package import Kernel

/// What `volery doctor` found out about keys, secrets, anchors and the certificate.
package struct Sealing: Sendable, Equatable {
    package enum MasterKey: Sendable, Equatable {
        /// The first start makes it.
        case absent
        /// - Parameter place: where it was found, for people.
        case found(place: String)
        /// Found, and the database still goes by the one before it.
        case changing(place: String)
        case failed(Problem)
    }

    package struct Secret: Sendable, Equatable {
        /// The provider's name, or the secret's own where no provider has it.
        package let name: String
        package let age: Duration

        package init(name: String, age: Duration) {
            self.name = name
            self.age = age
        }
    }

    package enum Anchors: Sendable, Equatable {
        /// Nothing was ever logged here.
        case absent
        case present
        case faulty([String])
    }

    package enum Certificate: Sendable, Equatable {
        case none
        case valid(left: Duration)
        case failed(Problem)
    }

    package var masterKey = MasterKey.absent
    /// Nil when they cannot be read now.
    package var secrets: [Secret]? = []
    package var anchors = Anchors.absent
    package var certificate = Certificate.none

    package init() {}
}

extension Doctor {
    private static let day = 86_400
    /// An automatic renewal that failed has been late for a while by then.
    static let leastCertificateDays = 14

    static func rows(_ sealing: Sealing) -> [DoctorRow] {
        [masterKey(sealing.masterKey), secrets(sealing.secrets), anchors(sealing.anchors)]
            + (certificate(sealing.certificate).map { [$0] } ?? [])
    }

    private static func masterKey(_ key: Sealing.MasterKey) -> DoctorRow {
        let expected = "32 bytes that only you can read, and the database's own"
        switch key {
        case .absent: return .ok("master key", found: "not there yet; the first start makes it", expected: expected)
        case .found(let place): return .ok("master key", found: place, expected: expected)
        case .changing(let place):
            return .warning(
                "master key", found: "\(place); secrets are still sealed under the previous one", expected: expected,
                remedy: "volery secrets reseal")
        case .failed(let problem):
            return .broken("master key", found: problem.message, expected: expected, remedy: problem.hint)
        }
    }

    private static func secrets(_ secrets: [Sealing.Secret]?) -> DoctorRow {
        let expected = "none older than 90 days"
        guard let secrets else {
            return .warning("secrets", found: "cannot be read now", expected: expected, remedy: "see the row above")
        }
        let old = secrets.filter { $0.age > SecretAges.longest }.sorted { $0.name < $1.name }
        guard let first = old.first else {
            return .ok("secrets", found: secrets.isEmpty ? "none" : "\(secrets.count) sealed", expected: expected)
        }
        let found = old.map { "\($0.name) is \($0.age.components.seconds / Int64(day)) days old" }
        return .warning(
            "secrets", found: found.joined(separator: ", "), expected: expected,
            remedy: "volery providers rotate-key \(first.name) --key-file FILE")
    }

    private static func anchors(_ anchors: Sealing.Anchors) -> DoctorRow {
        let expected = "the audit log's heads, anchored outside the database"
        switch anchors {
        case .absent: return .ok("audit anchors", found: "not there yet", expected: expected)
        case .present: return .ok("audit anchors", found: "whole", expected: expected)
        case .faulty(let complaints):
            return .broken(
                "audit anchors", found: complaints.joined(separator: " "), expected: expected,
                remedy: "volery audit verify")
        }
    }

    private static func certificate(_ certificate: Sealing.Certificate) -> DoctorRow? {
        let expected = "a certificate and its key, valid for \(leastCertificateDays) days or more"
        let remedy = "put a new certificate and key into tls_certificate_file and tls_key_file"
        switch certificate {
        case .none: return nil
        case .failed(let problem):
            return .broken("certificate", found: problem.message, expected: expected, remedy: problem.hint)
        case .valid(let left):
            let days = left.components.seconds / Int64(day)
            if left <= .zero { return .broken("certificate", found: "expired", expected: expected, remedy: remedy) }
            guard days >= leastCertificateDays else {
                return .warning(
                    "certificate", found: "expires in \(days) days", expected: expected, remedy: remedy)
            }
            return .ok("certificate", found: "valid for \(days) days", expected: expected)
        }
    }
}
