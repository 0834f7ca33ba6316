/// The kind of thing that an identifier names; its prefix is part of the text form.
package protocol IDKind: Sendable {
    static var prefix: String { get }
}

/// An identifier of one kind: `job_01JZ…`. Identifiers of two kinds do not mix, and do not parse as each other.
package struct ID<Kind: IDKind>: Hashable, Sendable, Comparable {
    package let ulid: ULID

    @inlinable
    package init(_ ulid: ULID) { self.ulid = ulid }

    package init?(_ text: some StringProtocol) {
        let prefix = Kind.prefix + "_"
        guard text.hasPrefix(prefix), let ulid = ULID(text.dropFirst(prefix.count)) else { return nil }
        self.ulid = ulid
    }

    @inlinable
    package static func == (left: ID, right: ID) -> Bool { left.ulid == right.ulid }

    @inlinable
    package func hash(into hasher: inout Hasher) { ulid.hash(into: &hasher) }

    @inlinable
    package func _rawHashValue(seed: Int) -> Int { ulid._rawHashValue(seed: seed) }

    @inlinable
    package static func < (left: ID, right: ID) -> Bool { left.ulid < right.ulid }
}

extension ID: CustomStringConvertible {
    /// Written in one piece: rows and logs are full of them.
    package var description: String {
        String(unsafeUninitializedCapacity: Self.length) { write(to: $0) }
    }

    /// Bytes of the text form.
    package static var length: Int { Kind.prefix.utf8.count + 1 + ULID.length }

    package var longestText: Int { Self.length }

    /// Writes the text form; the buffer has room for it.
    /// - Returns: `length`.
    @discardableResult
    package func write(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        var place = 0
        for byte in Kind.prefix.utf8 {
            buffer[place] = byte
            place += 1
        }
        buffer[place] = UInt8(ascii: "_")
        ulid.write(to: buffer, at: place + 1)
        return place + 1 + ULID.length
    }
}

extension ID: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let id = ID(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "not an identifier of the form \(Kind.prefix)_<ULID>")
        }
        self = id
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

package enum RequestKind: IDKind { package static let prefix = "req" }
package enum TenantKind: IDKind { package static let prefix = "ten" }
package enum WorkspaceKind: IDKind { package static let prefix = "ws" }
package enum KeyKind: IDKind { package static let prefix = "key" }
package enum DeploymentKind: IDKind { package static let prefix = "dep" }
package enum UserKind: IDKind { package static let prefix = "usr" }
package enum MemberKind: IDKind { package static let prefix = "mem" }
package enum RuleKind: IDKind { package static let prefix = "rul" }
package enum SessionKind: IDKind { package static let prefix = "ses" }
package enum ProviderKind: IDKind { package static let prefix = "prv" }
package enum AuditKind: IDKind { package static let prefix = "aud" }
package enum AccountKind: IDKind { package static let prefix = "acc" }
package enum EscrowKind: IDKind { package static let prefix = "esc" }
package enum NodeKind: IDKind { package static let prefix = "nod" }
package enum BudgetKind: IDKind { package static let prefix = "bud" }
package enum LimitKind: IDKind { package static let prefix = "lim" }
package enum GrantKind: IDKind { package static let prefix = "crd" }
package enum PostingKind: IDKind { package static let prefix = "pst" }

package typealias RequestID = ID<RequestKind>
package typealias TenantID = ID<TenantKind>
package typealias WorkspaceID = ID<WorkspaceKind>
package typealias KeyID = ID<KeyKind>
package typealias DeploymentID = ID<DeploymentKind>
package typealias UserID = ID<UserKind>
package typealias MemberID = ID<MemberKind>
package typealias RuleID = ID<RuleKind>
package typealias SessionID = ID<SessionKind>
package typealias ProviderID = ID<ProviderKind>
package typealias AuditID = ID<AuditKind>
package typealias AccountID = ID<AccountKind>
package typealias EscrowID = ID<EscrowKind>
package typealias NodeID = ID<NodeKind>
package typealias BudgetID = ID<BudgetKind>
package typealias LimitID = ID<LimitKind>
package typealias CreditGrantID = ID<GrantKind>
package typealias PostingID = ID<PostingKind>
