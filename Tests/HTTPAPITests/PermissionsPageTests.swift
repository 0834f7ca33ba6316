import Foundation
import HTTPAPI
import HTTPTypes
import Testing

@Suite("docs/permissions.md")
struct PermissionsPageTests {
    /// With VOLERY_WRITE_DOCS=1 the page is written instead of compared.
    @Test("is the table of permissions, roles and routes as they are in the code")
    func page() async throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/permissions.md")
        let wanted = PermissionsPage.text(routes: try await House().api.allRoutes)
        if ProcessInfo.processInfo.environment["VOLERY_WRITE_DOCS"] == "1" {
            try wanted.write(to: page, atomically: true, encoding: .utf8)
        } else {
            let text = try String(contentsOf: page, encoding: .utf8)
            #expect(text == wanted, "run: VOLERY_WRITE_DOCS=1 swift test --filter PermissionsPageTests")
        }
    }

    @Test("the API's description has every route, and no other")
    func description() async throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("openapi/volery.yaml")
        var described: Set<String> = []
        var path = ""
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            if line.hasPrefix("components:") { break }
            if line.hasPrefix("  /") { path = String(line.dropFirst(2).dropLast()) }
            let word = line.dropFirst(4).dropLast()
            if line.hasPrefix("    "), ["get", "post", "put", "patch", "delete"].contains(word) {
                described.insert("\(word.uppercased()) \(path)")
            }
        }
        // The index of the error pages is for people who follow links.
        let unlisted: Set<String> = ["GET /docs/errors"]
        let routes = Set(
            try await House().api.allRoutes.map { route in
                let parts = route.path.split(separator: "/").map { $0.hasPrefix(":") ? "{}" : String($0) }
                return "\(route.method.rawValue) /" + parts.joined(separator: "/")
            })
        let plain = Set(described.map { $0.replacing(#/\{\w+\}/#, with: "{}") })
        #expect(plain == routes.subtracting(unlisted))
    }
}
