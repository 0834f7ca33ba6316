/// Something in a chat request as far as its price needs it: how many tokens it may have at most.
package enum QuotedValue: Sendable, Codable, Equatable {
    case text(String)
    case list([QuotedValue])
    case members([String: QuotedValue])
    /// A number, a truth value, or null.
    case scalar

    /// As the gateway counts a picture.
    private static let tokensOfImage = 6000
    /// Quotes, a colon, a comma; and no number is longer.
    private static let frame = 24

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self = .text(text)
        } else if let list = try? container.decode([QuotedValue].self) {
            self = .list(list)
        } else if let members = try? container.decode([String: QuotedValue].self) {
            self = .members(members)
        } else {
            self = .scalar
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let text): try container.encode(text)
        case .list(let list): try container.encode(list)
        case .members(let members): try container.encode(members)
        case .scalar: try container.encodeNil()
        }
    }

    /// No token has less than a byte.
    var most: Int {
        switch self {
        case .text(let text): text.utf8.count + Self.frame
        case .list(let list): list.reduce(Self.frame) { $0 + $1.most }
        case .members(let members):
            if members["type"] == .text("image_url") {
                Self.tokensOfImage
            } else {
                members.reduce(Self.frame) { $0 + $1.key.utf8.count + $1.value.most }
            }
        case .scalar: Self.frame
        }
    }
}
