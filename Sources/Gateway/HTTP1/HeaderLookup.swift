import NIOHTTP1

/// Header fields that are looked up by name, whichever plane read them.
package protocol HeaderLookup {
    /// The first line's value.
    func first(name: String) -> String?
    func contains(name: String) -> Bool
    /// Every line's value, as it stands.
    subscript(name: String) -> [String] { get }
}

extension HTTPHeaders: HeaderLookup {}
extension HeaderFields: HeaderLookup {}
