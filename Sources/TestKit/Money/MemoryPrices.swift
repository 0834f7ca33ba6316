package import Billing
package import Kernel
import Synchronization

/// Price books in memory.
package final class MemoryPrices: PriceStore {
    private let books: Mutex<[PriceBook]>

    package init(_ books: [PriceBook] = []) { self.books = Mutex(books) }

    package func add(
        _ content: PriceBook.Content, to kind: PriceBook.Kind, effective: Instant, after: Int, by act: MoneyAct
    ) async throws -> PriceBook {
        try books.withLock { books in
            let last = books.filter { $0.kind == kind }.map(\.version).max() ?? 0
            guard last == after else { throw Problem(.conflict) }
            let book = PriceBook(kind: kind, version: last + 1, effective: effective, content: content)
            books.append(book)
            return book
        }
    }

    package func versions(of kind: PriceBook.Kind, page: PageRequest) async throws -> Page<PriceBookSummary> {
        let rows = books.withLock { $0.filter { $0.kind == kind } }.reversed().map {
            PriceBookSummary(
                kind: kind, version: $0.version, effective: $0.effective, written: $0.effective,
                entries: $0.content.entries.count)
        }
        return Page(rows: Array(rows.prefix(page.limit + 1)), limit: page.limit) { "\($0.version)" }
    }

    package func book(_ kind: PriceBook.Kind, version: Int) async throws -> PriceBook? {
        books.withLock { $0.first { $0.kind == kind && $0.version == version } }
    }

    package func heads() async throws -> [PriceBook.Kind: Int] {
        books.withLock { books in
            Dictionary(
                uniqueKeysWithValues: PriceBook.Kind.allCases.map { kind in
                    (kind, books.filter { $0.kind == kind }.map(\.version).max() ?? 0)
                })
        }
    }

    package func current(_ kind: PriceBook.Kind, at time: Instant) async throws -> [PriceBook] {
        books.withLock { $0.filter { $0.kind == kind } }
    }
}
