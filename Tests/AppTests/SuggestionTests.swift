import App
import Testing

@Suite struct SuggestionTests {
    @Test(
        "a typing error finds what was meant, and something else finds nothing",
        arguments: [
            ("prot", "port"), ("demo-ecko", "demo-echo"), ("DEMO-ECHO", "demo-echo"), ("smol", "smollm2"),
            ("zebra", nil), ("x", nil), ("", nil),
        ])
    func suggestions(text: String, meant: String?) {
        #expect(Suggestion.closest(to: text, among: ["port", "demo-echo", "smollm2"]) == meant)
    }

    @Test("where nothing is known nothing is suggested")
    func nothing() {
        #expect(Suggestion.closest(to: "port", among: []) == nil)
    }
}
