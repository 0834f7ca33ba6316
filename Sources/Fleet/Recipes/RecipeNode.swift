/// A piece of a recipe document with the line it stands on, free of the format that it was written in.
package struct RecipeNode: Sendable, Equatable {
    package enum Content: Sendable, Equatable {
        case scalar(String)
        case list([RecipeNode])
        case map([Entry])
        case empty
    }

    package struct Entry: Sendable, Equatable {
        package let key: String
        package let node: RecipeNode

        package init(key: String, node: RecipeNode) {
            self.key = key
            self.node = node
        }
    }

    package let content: Content
    /// Counted from 1.
    package let line: Int

    package init(_ content: Content, line: Int) {
        self.content = content
        self.line = line
    }

    /// For error messages: the value as it was written, shortened.
    package var shown: String {
        switch content {
        case .scalar(let text): text.count > 60 ? "\"\(text.prefix(60))…\"" : "\"\(text)\""
        case .list: "a list"
        case .map: "a map"
        case .empty: "empty"
        }
    }
}
