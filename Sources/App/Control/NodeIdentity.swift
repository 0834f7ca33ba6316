import Kernel

/// Who this data folder is to the other nodes of its database. Made at the first start; whoever has the folder has its
/// journal, and so may say what became of the requests that it ran.
enum NodeIdentity {
    static func ensure(in folder: DataFolder, ids: IDSource) throws(Problem) -> NodeID {
        if let text = try DataFolder.read(folder.nodeFile) {
            guard let id = NodeID(text.filter { !$0.isWhitespace }) else {
                throw Problem(
                    .configurationInvalid, "\(folder.nodeFile) does not hold a node's identifier.",
                    hint: "Restore the file, or remove it: what the node holds of budgets is written off later then.")
            }
            return id
        }
        let id: NodeID = ids.next()
        try DataFolder.write(id.description, to: folder.nodeFile)
        return id
    }
}

extension DataFolder {
    /// Names this node to the others.
    var nodeFile: String { path + "/node-id" }
}
