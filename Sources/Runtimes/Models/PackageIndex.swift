package import AsyncHTTPClient
import FoundationEssentials
import Kernel
import NIOCore
import NIOHTTP1

/// Finds where a Python package index keeps a file. Speaks the simple API in both forms, JSON and HTML (PEP 503, 691).
package struct PackageIndex: Sendable {
    package static let usual = "https://pypi.org/simple"
    private static let pageLimit = 32 << 20

    private let client: HTTPClient
    private let root: String

    /// - Parameter root: such as `https://pypi.org/simple`; the value of `PIP_INDEX_URL` where that is set.
    package init(client: HTTPClient, root: String = PackageIndex.usual) {
        self.client = client
        self.root = root.hasSuffix("/") ? String(root.dropLast()) : root
    }

    /// - Throws: `DOWNLOAD_FAILED` when the index cannot be reached or does not have the file.
    func address(of file: String, package: String) async throws -> String {
        let page = "\(root)/\(PackageIndex.normalized(package))/"
        var request = HTTPClientRequest(url: page)
        request.headers.add(name: "accept", value: "application/vnd.pypi.simple.v1+json, text/html;q=0.5")
        let body: [UInt8]
        let isJSON: Bool
        do {
            let response = try await client.execute(request, timeout: .seconds(30))
            guard response.status == .ok else {
                throw Problem(.downloadFailed, "\(page): HTTP status \(response.status.code).")
            }
            isJSON = response.headers.first(name: "content-type")?.contains("json") == true
            body = Array(buffer: try await response.body.collect(upTo: PackageIndex.pageLimit))
        } catch let problem as Problem {
            throw problem
        } catch let error as HTTPClientError {
            try Task.checkCancellation()
            throw Problem(.downloadFailed, "\(page): \(error.shortDescription).")
        } catch {
            try Task.checkCancellation()
            throw Problem(.downloadFailed, "\(page): \(error).")
        }
        let links = isJSON ? PackageIndex.linksInJSON(body) : PackageIndex.linksInHTML(body)
        guard let link = links.first(where: { PackageIndex.fileName(of: $0) == file }),
            let address = URL(string: link, relativeTo: URL(string: page))
        else {
            throw Problem(.downloadFailed, "\(page) does not list \(file).")
        }
        return address.absoluteString
    }

    /// Runs of `-`, `_` and `.` are one `-`, and case does not matter (PEP 503).
    static func normalized(_ package: String) -> String {
        var name = ""
        for character in package.lowercased() {
            let isMark = "-_.".contains(character)
            if isMark, name.last == "-" { continue }
            name.append(isMark ? "-" : character)
        }
        return name
    }

    /// Links without their fragments.
    static func linksInJSON(_ body: [UInt8]) -> [String] {
        struct Page: Decodable {
            struct File: Decodable { let url: String }
            let files: [File]
        }
        let page = try? JSONDecoder().decode(Page.self, from: Data(body))
        return page?.files.map { String($0.url.prefix { $0 != "#" }) } ?? []
    }

    static func linksInHTML(_ body: [UInt8]) -> [String] {
        var links: [String] = []
        var rest = Substring(String(decoding: body, as: UTF8.self))
        while let start = rest.firstRange(of: "href=") {
            rest = rest[start.upperBound...]
            guard let quote = rest.first, quote == "\"" || quote == "'" else { continue }
            let value = rest.dropFirst().prefix { $0 != quote }
            rest = rest[value.endIndex...]
            links.append(String(value.prefix { $0 != "#" }).replacing("&amp;", with: "&"))
        }
        return links
    }

    private static func fileName(of link: String) -> String? {
        URL(string: link)?.lastPathComponent
    }
}
