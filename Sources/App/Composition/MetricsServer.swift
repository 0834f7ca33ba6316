import Hummingbird
import Kernel
import Logging
import NIOCore
import ServiceLifecycle
import Telemetry

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Prometheus' page on a port of its own, so that scraping needs no key and callers see no metrics.
struct MetricsServer {
    let registry: PrometheusRegistry
    let host: String
    let logger: Logger

    func application(
        port: Int, group: any EventLoopGroup, onRunning: @escaping @Sendable (Int) async -> Void
    ) -> some Service {
        let router = Router()
        let registry = registry
        router.get("metrics") { _, _ in
            Response(
                status: .ok, headers: [.contentType: PrometheusText.contentType],
                body: .init(byteBuffer: ByteBuffer(string: PrometheusText.render(registry))))
        }
        // Hummingbird says at "info" what the banner says better.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .notice)
        return Application(
            router: router, configuration: .init(address: .hostname(host, port: port), serverName: nil),
            onServerRunning: { await onRunning($0.localAddress?.port ?? port) },
            eventLoopGroupProvider: .shared(group), logger: quiet)
    }
}

/// Serves the page; where the usual port is taken and nobody chose it, on a free one.
struct MetricsService: Service {
    let server: MetricsServer
    let port: Int
    let mayMove: Bool
    let group: any EventLoopGroup
    let logger: Logger
    let onRunning: @Sendable (Int) async -> Void

    func run() async throws {
        do {
            try await server.application(port: port, group: group, onRunning: onRunning).run()
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            guard mayMove else {
                throw Problem(
                    .addressInUse, "\(server.host):\(port) for the metrics is taken by another program.",
                    parameter: "metrics_port")
            }
            logger.notice("the usual port for metrics is taken; a free one is used", metadata: ["port": "\(port)"])
            try await server.application(port: 0, group: group, onRunning: onRunning).run()
        }
    }
}
