import Gateway
import HTTPAPI
import Hummingbird
import HummingbirdCore
import Kernel
import Logging
import NIOCore
import ServiceLifecycle

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The ports that requests come by.
struct EdgePorts {
    let configuration: Configuration
    let folder: DataFolder
    let core: GatewayCore
    let api: ControlAPI
    let group: any EventLoopGroup
    let openings: Openings
    let clock: any Kernel.Clock
    let logger: Logger

    var service: any Service {
        let socket = configuration.edge.tls == nil ? [] : [socket]
        return EdgeService(
            servers: [port] + socket, core: core, drainTimeout: configuration.limits.drainTimeout, clock: clock,
            logger: logger)
    }

    /// The one that callers see.
    private var port: any Service {
        let (host, port, isTLS) = (configuration.host, configuration.port, configuration.edge.tls != nil)
        return application(at: .hostname(host, port: port), isLocal: false) { [openings] channel in
            await openings.edge(
                PlatformFile.url(host: host, port: channel.localAddress?.port ?? port, isTLS: isTLS))
        }
    }

    /// Where the port speaks TLS, its certificate need not be one that this machine trusts, or name this machine. So
    /// the command line comes by a socket in the data folder, which only the folder's owner can open.
    private var socket: any Service {
        let path = folder.controlSocket
        return application(at: .unixDomainSocket(path: path), isLocal: true) { [openings, logger] _ in
            if chmod(path, 0o600) != 0 { logger.warning("the control socket's mode cannot be set") }
            await openings.socket()
        }
    }

    private func application(
        at address: BindAddress, isLocal: Bool, onRunning: @escaping @Sendable (any Channel) async -> Void
    ) -> any Service {
        var quiet = logger
        // Hummingbird says at "info" what the banner says better.
        quiet.logLevel = max(logger.logLevel, .notice)
        return Application(
            router: api.makeRouter(),
            server: HTTPServerBuilder { [core] in EdgeChannel(core: core, isLocal: isLocal, responder: $0) },
            configuration: ApplicationConfiguration(address: address, serverName: nil, backlog: 1024),
            onServerRunning: onRunning, eventLoopGroupProvider: .shared(group), logger: quiet)
    }
}
