import Database
import Kernel

extension Database {
    /// `read`, with the engine's failures as a caller may see them.
    func fetching<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        do {
            return try await read(scope, body)
        } catch let failure as DatabaseFailure {
            throw failure.problem
        }
    }

    /// `survey`, with the engine's failures as a caller may see them.
    func surveying<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        do {
            return try await survey(scope, body)
        } catch let failure as DatabaseFailure {
            throw failure.problem
        }
    }

    /// `write`, with the engine's failures as a caller may see them.
    @discardableResult
    func storing<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        do {
            return try await write(scope, body)
        } catch let failure as DatabaseFailure {
            throw failure.problem
        }
    }
}

extension Database {
    /// `guarded`, with the engine's failures as a caller may see them.
    @discardableResult
    func guarding<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        do {
            return try await guarded(scope, body)
        } catch let failure as DatabaseFailure {
            throw failure.problem
        }
    }
}

extension PageRequest {
    /// The identifier below which the page begins, as text; on the first page, text that sorts after every identifier.
    /// - Throws: `Problem(.validationError)` when it is of another kind, or no identifier at all.
    func cursor<Kind: IDKind>(_ kind: Kind.Type) throws(Problem) -> String {
        guard let after else { return "~" }
        guard let id = ID<Kind>(after) else {
            throw Problem(
                .validationError, "`after` is not an identifier of this listing.", parameter: "after",
                hint: "Use the `last_id` of the page before: it begins with \(Kind.prefix)_.")
        }
        return id.description
    }
}
