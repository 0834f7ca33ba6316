/// The kind of thing that an identifier names; its prefix is part of the text form.
public protocol IDKind: Sendable {
    static var prefix: String { get }
}

/// An identifier of one kind: `job_01JZ…`. Identifiers of two kinds do not mix, and do not parse as each other.
public struct ID<Kind: IDKind>: Hashable, Sendable, Comparable {
    public let ulid: ULID

    @inlinable
    public init(_ ulid: ULID) { self.ulid = ulid }

    public init?(_ text: some StringProtocol) {
        let prefix = Kind.prefix + "_"
        guard text.hasPrefix(prefix), let ulid = ULID(text.dropFirst(prefix.count)) else { return nil }
        self.ulid = ulid
    }

    @inlinable
    public static func == (left: ID, right: ID) -> Bool { left.ulid == right.ulid }

    @inlinable
    public func hash(into hasher: inout Hasher) { ulid.hash(into: &hasher) }

    @inlinable
    public func _rawHashValue(seed: Int) -> Int { ulid._rawHashValue(seed: seed) }

    @inlinable
    public static func < (left: ID, right: ID) -> Bool { left.ulid < right.ulid }
}

extension ID: CustomStringConvertible {
    /// Written in one piece: rows and logs are full of them.
    public var description: String {
        String(unsafeUninitializedCapacity: Self.length) { write(to: $0) }
    }

    /// Bytes of the text form.
    public static var length: Int { Kind.prefix.utf8.count + 1 + ULID.length }

    public var longestText: Int { Self.length }

    /// Writes the text form; the buffer has room for it.
    /// - Returns: `length`.
    @discardableResult
    public func write(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
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
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let id = ID(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "not an identifier of the form \(Kind.prefix)_<ULID>")
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

public enum RequestKind: IDKind { public static let prefix = "req" }
public enum TenantKind: IDKind { public static let prefix = "ten" }
public enum WorkspaceKind: IDKind { public static let prefix = "ws" }
public enum KeyKind: IDKind { public static let prefix = "key" }
public enum DeploymentKind: IDKind { public static let prefix = "dep" }
public enum UserKind: IDKind { public static let prefix = "usr" }
public enum MemberKind: IDKind { public static let prefix = "mem" }
public enum RuleKind: IDKind { public static let prefix = "rul" }
public enum SessionKind: IDKind { public static let prefix = "ses" }
public enum ProviderKind: IDKind { public static let prefix = "prv" }
public enum AuditKind: IDKind { public static let prefix = "aud" }
public enum AccountKind: IDKind { public static let prefix = "acc" }
public enum EscrowKind: IDKind { public static let prefix = "esc" }
public enum NodeKind: IDKind { public static let prefix = "nod" }
public enum BudgetKind: IDKind { public static let prefix = "bud" }
public enum LimitKind: IDKind { public static let prefix = "lim" }
public enum GrantKind: IDKind { public static let prefix = "crd" }
public enum PostingKind: IDKind { public static let prefix = "pst" }

public typealias RequestID = ID<RequestKind>
public typealias TenantID = ID<TenantKind>
public typealias WorkspaceID = ID<WorkspaceKind>
public typealias KeyID = ID<KeyKind>
public typealias DeploymentID = ID<DeploymentKind>
public typealias UserID = ID<UserKind>
public typealias MemberID = ID<MemberKind>
public typealias RuleID = ID<RuleKind>
public typealias SessionID = ID<SessionKind>
public typealias ProviderID = ID<ProviderKind>
public typealias AuditID = ID<AuditKind>
public typealias AccountID = ID<AccountKind>
public typealias EscrowID = ID<EscrowKind>
public typealias NodeID = ID<NodeKind>
public typealias BudgetID = ID<BudgetKind>
public typealias LimitID = ID<LimitKind>
public typealias CreditGrantID = ID<GrantKind>
public typealias PostingID = ID<PostingKind>
