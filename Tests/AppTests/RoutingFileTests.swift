import App
import Flows
import Kernel
import Testing

@Suite struct RoutingFileTests {
    @Test("a file says everything that the API's body can")
    func whole() throws {
        let read = try RoutingFile.read(
            """
            strategy: cheapest
            regions: [eu-west, eu-north]
            data_policies:
            - no-training
            max_cost: 0.05
            currency: EUR
            max_latency_ms: 2500
            sticky: user
            attempts: 2
            priority: low
            hints:
              llm:fa-medium: qwen-7b@2
            """, of: "routing.yaml")
        var wanted = NewRouting(strategy: "cheapest")
        wanted.regions = ["eu-west", "eu-north"]
        wanted.dataPolicies = ["no-training"]
        wanted.maxCost = DecimalInput("0.05")
        wanted.currency = "EUR"
        wanted.maxLatencyMilliseconds = 2500
        wanted.sticky = "user"
        wanted.attempts = 2
        wanted.priority = "low"
        wanted.hints = ["llm:fa-medium": "qwen-7b@2"]
        #expect(read == wanted)
        #expect(try RoutingFile.read(#"{"strategy": "weighted"}"#, of: "f") == NewRouting(strategy: "weighted"))
    }

    @Test(
        "every fault is told with its line and the key",
        arguments: [
            ("strategy: fastest", "f:1:11: strategy is `fastest`"),
            ("strategy: weighted\nregion: eu", "f:2:1: region is not known; did you mean `regions`?"),
            ("regions: eu-west", "regions must be a list"), ("regions: [eu west]", "regions[0] is `eu west`"),
            ("attempts: many", "attempts is `many`"), ("output_cap: lots", "output_cap is `lots`"),
            ("sticky: session", "sticky is `session`"),
            ("hints: [a]", "hints must be a mapping"), ("hints:\n  a b: m", "hints.a b is no name"),
            ("hints:\n  a: ''", "hints.a is ``"), ("currency: XYZ", "currency is `XYZ`"), ("", "f says nothing"),
            ("[1]", "must be a mapping"), ("strategy: [", "f:"),
        ])
    func faults(yaml: String, told: String) {
        let problem = #expect(throws: Problem.self) { try RoutingFile.read(yaml, of: "f") }
        #expect(problem?.code == .validationError)
        #expect(problem?.message.contains(told) == true, "\(problem?.message ?? "")")
    }

    @Test("a file that is not there is NOT_FOUND")
    func missing() {
        let problem = #expect(throws: Problem.self) { try RoutingFile.read(at: "/no/such/routing.yaml") }
        #expect(problem?.code == .notFound)
    }
}
