/// Asks for a page: at most `limit` items that come after the item named by `after`.
public struct PageRequest: Sendable, Equatable {
    public static let allowed = 1...1000
    public static let usual = 100

    public let limit: Int
    public let after: String?

    /// Fails with `VALIDATION_ERROR` when the limit is out of range.
    public init(limit: Int = PageRequest.usual, after: String? = nil) throws(Problem) {
        guard PageRequest.allowed.contains(limit) else {
            throw Problem(
                .validationError, "limit must be between 1 and 1000, not \(limit).", parameter: "limit",
                hint: "Ask for smaller pages, and follow `last_id` with `after`.")
        }
        self.limit = limit
        self.after = after
    }

    /// The first page at the usual size.
    public init() {
        limit = PageRequest.usual
        after = nil
    }
}

/// One page of a listing, in the shape of OpenAI's lists.
public struct Page<Item: Sendable>: Sendable {
    public let data: [Item]
    public let hasMore: Bool
    public let firstID: String?
    public let lastID: String?

    /// - Parameter rows: up to `limit + 1` items; the one too many only shows that there are more.
    public init(rows: [Item], limit: Int, id: (Item) -> String) {
        data = Array(rows.prefix(limit))
        hasMore = rows.count > limit
        firstID = data.first.map(id)
        lastID = data.last.map(id)
    }

    private init(data: [Item], hasMore: Bool, firstID: String?, lastID: String?) {
        self.data = data
        self.hasMore = hasMore
        self.firstID = firstID
        self.lastID = lastID
    }

    /// The same page of other items; the identifiers stay.
    public func map<Other: Sendable>(_ transform: (Item) throws -> Other) rethrows -> Page<Other> {
        Page<Other>(data: try data.map(transform), hasMore: hasMore, firstID: firstID, lastID: lastID)
    }
}

private enum PageKeys: String, CodingKey {
    case object, data, hasMore = "has_more", firstID = "first_id", lastID = "last_id"
}

extension Page: Encodable where Item: Encodable {
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: PageKeys.self)
        try container.encode("list", forKey: .object)
        try container.encode(data, forKey: .data)
        try container.encode(hasMore, forKey: .hasMore)
        try container.encode(firstID, forKey: .firstID)
        try container.encode(lastID, forKey: .lastID)
    }
}

extension Page: Decodable where Item: Decodable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: PageKeys.self)
        data = try container.decode([Item].self, forKey: .data)
        hasMore = try container.decode(Bool.self, forKey: .hasMore)
        firstID = try container.decodeIfPresent(String.self, forKey: .firstID)
        lastID = try container.decodeIfPresent(String.self, forKey: .lastID)
    }
}
