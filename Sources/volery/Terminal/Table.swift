/// Columns that line up. Pure text.
struct Table {
    enum Alignment { case left, right }

    struct Column {
        let title: String
        let alignment: Alignment

        init(_ title: String, _ alignment: Alignment = .left) {
            self.title = title
            self.alignment = alignment
        }
    }

    let columns: [Column]
    let rows: [[String]]

    init(_ columns: [Column], rows: [[String]]) {
        self.columns = columns
        self.rows = rows.map { $0.map(Terminal.printable) }
    }

    /// - Returns: a line for the titles and one for each row; an empty cell shows as `-`.
    func text(usesColor: Bool) -> String {
        let shown = rows.map { $0.map { $0.isEmpty ? "-" : $0 } }
        let widths = columns.indices.map { column in
            shown.reduce(columns[column].title.count) { max($0, $1[column].count) }
        }
        let title = line(columns.map(\.title), widths)
        let lines = [usesColor ? "\u{1B}[1m\(title)\u{1B}[0m" : title] + shown.map { line($0, widths) }
        return lines.joined(separator: "\n") + "\n"
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        var line = ""
        for (column, cell) in cells.enumerated() {
            let padding = String(repeating: " ", count: max(0, widths[column] - cell.count))
            if column > 0 { line += "  " }
            line += columns[column].alignment == .right ? padding + cell : cell + padding
        }
        while line.last == " " { line.removeLast() }
        return line
    }
}
