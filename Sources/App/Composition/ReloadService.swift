import Logging
import ServiceLifecycle
import UnixSignals

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Does what SIGHUP asks for. Where the platform was started on a terminal and that is gone, SIGHUP means its end, as
/// for every program there: then this returns.
struct ReloadService: Service {
    let logger: Logger
    /// In turn.
    let actions: [@Sendable () async -> Void]

    /// From here on a SIGHUP does not end the process, whatever it is doing.
    static func prepare() { signal(SIGHUP, SIG_IGN) }

    func run() async throws {
        let hangUps = await UnixSignalsSequence(trapping: .sighup)
        let startedOnTerminal = isatty(STDERR_FILENO) == 1
        await cancelWhenGracefulShutdown {
            for await _ in hangUps {
                if startedOnTerminal, isatty(STDERR_FILENO) == 0 { return }
                logger.notice("reloading")
                for action in actions { await action() }
            }
        }
    }
}
