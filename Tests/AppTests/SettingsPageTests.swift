import Foundation
import Testing

@testable import App

@Suite("docs/configuration.md")
struct SettingsPageTests {
    /// With VOLERY_WRITE_DOCS=1 the page is written instead of compared.
    @Test("holds the table of the settings as they are in the code")
    func pageHoldsTheTable() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/configuration.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        let begin = try #require(text.range(of: "<!-- settings:begin -->\n"))
        let end = try #require(text.range(of: "<!-- settings:end -->"))
        let wanted = text[..<begin.upperBound] + Settings.markdown + text[end.lowerBound...]
        if ProcessInfo.processInfo.environment["VOLERY_WRITE_DOCS"] == "1" {
            try wanted.write(to: page, atomically: true, encoding: .utf8)
        } else {
            #expect(text == wanted, "run: VOLERY_WRITE_DOCS=1 swift test --filter SettingsPageTests")
        }
    }
}
