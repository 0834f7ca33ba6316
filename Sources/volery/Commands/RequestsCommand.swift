import App
import ArgumentParser
import Flows
import Inference
import Kernel

struct RequestsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "requests", abstract: "Explains what became of a request.", subcommands: [RouteOf.self])
}

extension RequestsCommand {
    struct RouteOf: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "route", abstract: "Shows why a request went to the deployment that it went to.",
            discussion: """
                volery requests route req_01JZ…

                Every answer carries its identifier in `x-request-id`. The decision can be read a second or so after \
                the answer has ended, and is kept for `route_retention`.
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(help: "The request's identifier.", transform: identifier) var request: RequestID

        func run() async throws {
            let context = CommandContext(options)
            let route = try await context.control { [request] control in try await control.route(of: request) }
            if listing.json { return try context.terminal.write(json: route) }
            try context.terminal.write(Self.facts(route))
            if !route.candidates.isEmpty { try context.terminal.write("\n" + Self.candidates(route, context)) }
            if !route.attempts.isEmpty { try context.terminal.write("\n" + Self.attempts(route, context)) }
            if route.decision.replay == .differs {
                context.terminal.talk(
                    "The platform decides by other rules now: the reasons are today's, and may not be those of then.\n")
            }
        }

        private static func facts(_ route: RouteView) -> String {
            let decision = route.decision
            let cap = decision.outputCap.map { ", at most \($0) out" } ?? ""
            return Facts.text([
                ("request", "\(route.request)"), ("asked for", decision.asked), ("model", decision.model),
                ("went to", decision.deployment?.description ?? "nobody"), ("strategy", decision.strategy.rawValue),
                ("ended", route.status?.rawValue ?? "without a call"), ("decided", decision.decidedAt.short),
                ("needs", decision.needs.joined(separator: ", ")),
                ("tokens", "at most \(decision.inputTokens) in, likely \(decision.likelyOutput) out\(cap)"),
                ("sticky", decision.isSticky ? "yes" : nil),
                ("regions", decision.regions.joined(separator: ", ")),
                ("data policies", decision.dataPolicies.joined(separator: ", ")),
            ])
        }

        private static func candidates(_ route: RouteView, _ context: CommandContext) -> String {
            Table(
                [
                    .init("RANK", .right), .init("DEPLOYMENT"), .init("CODE"), .init("FIRST TOKEN", .right),
                    .init("RUNNING", .right), .init("REASON"),
                ],
                rows: route.candidates.map { candidate in
                    [
                        candidate.rank.map(String.init) ?? "", "\(candidate.deployment)", candidate.code,
                        candidate.firstToken.map { secondsText($0) + " s" } ?? "",
                        "\(candidate.running)" + (candidate.limit.map { "/\($0)" } ?? ""), candidate.reason,
                    ]
                }
            ).text(usesColor: context.terminal.usesColor)
        }

        private static func attempts(_ route: RouteView, _ context: CommandContext) -> String {
            Table(
                [
                    .init("CALL", .right), .init("DEPLOYMENT"), .init("COST"), .init("TOLD", .right), .init("PROVIDER"),
                    .init("UPSTREAM"),
                ],
                rows: route.attempts.map { attempt in
                    [
                        "\(attempt.number)", "\(attempt.deployment)", attempt.costState.rawValue,
                        attempt.told?.description ?? "",
                        attempt.provider?.description ?? "", attempt.upstream ?? "",
                    ]
                }
            ).text(usesColor: context.terminal.usesColor)
        }
    }
}
