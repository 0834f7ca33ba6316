package import Kernel

/// What a provider's own documentation asks of its callers, or tells them, beyond the protocol that it speaks.
package struct ProviderTerms: Sendable, Hashable {
    package struct Field: Sendable, Hashable {
        package let name: String
        package let value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// By which application is asked, so that its statistics can tell; a caller's own fields of these names go first.
    package let attribution: [Field]
    /// Of `usage.cost` in its answers; nil where it does not say what a call cost.
    package let costCurrency: Currency?

    package init(attribution: [Field] = [], costCurrency: Currency? = nil) {
        self.attribution = attribution
        self.costCurrency = costCurrency
    }

    package static let none = ProviderTerms()
}
