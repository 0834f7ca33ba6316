import Database
import Kernel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The database that a data folder belongs to: what waits in the folder's journal must not be settled in another one.
/// A database's identity is its default workspace, which a backup of it keeps.
struct ServedDatabase: Sendable {
    let workspace: WorkspaceID

    /// Nil when the folder was never served, or not since there is such a file.
    static func read(in folder: DataFolder) throws(Problem) -> ServedDatabase? {
        guard let text = try DataFolder.read(folder.databaseFile) else { return nil }
        guard let workspace = WorkspaceID(text) else {
            throw Problem(
                .configurationInvalid, "\(folder.databaseFile) names no database.",
                hint: "Restore the file. When you are sure that the database is the right one, remove it: the next "
                    + "start writes it.")
        }
        return ServedDatabase(workspace: workspace)
    }

    func write(in folder: DataFolder) throws(Problem) {
        try DataFolder.write(workspace.description, to: folder.databaseFile)
    }

    /// Before anything is opened: a file that is not there yet cannot be the one.
    /// - Throws: `Problem(.configurationInvalid)`.
    func mayOpen(_ location: DatabaseLocation, from folder: DataFolder) throws(Problem) {
        guard case .sqlite(let path) = location, access(path, F_OK) != 0, errno == ENOENT else { return }
        throw Self.refusal(folder, ": \(path) does not exist")
    }

    /// Before anything is written to it.
    /// - Throws: `Problem(.configurationInvalid)` when it is another one; what `DatabaseFailure.problem` says.
    func recognise(_ database: some Database, from folder: DataFolder) async throws {
        let workspace = workspace
        let isThere: Bool
        do {
            isThere = try await database.read(.workspace(workspace)) { tx in
                try tx.row("SELECT id FROM workspace WHERE id = $1", [workspace]) != nil
            }
        } catch DatabaseFailure.statement {
            // No such table: nothing was ever served on it.
            isThere = false
        } catch let failure as DatabaseFailure {
            throw failure.problem
        }
        if !isThere { throw Self.refusal(folder, "") }
    }

    private static func refusal(_ folder: DataFolder, _ detail: String) -> Problem {
        Problem(
            .configurationInvalid, "This data folder was served on another database\(detail).", parameter: "database",
            hint: "Set VOLERY_DATABASE, or database in the folder's volery.yaml, to that one. To move on purpose, let "
                + "the journal be shipped first, then remove \(folder.databaseFile).")
    }
}
