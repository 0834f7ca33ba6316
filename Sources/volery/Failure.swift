import ArgumentParser
import Kernel

/// What the process's exit status says. The only mapping from an error to it.
enum ExitStatus: Int32 {
    case ok = 0
    case failed = 1
    case notFound = 3
    /// The credential is missing or not good.
    case unauthenticated = 4
    /// It was understood and not done: not allowed, not valid, or in conflict with what is there.
    case refused = 5
    case wrongUsage = 64

    init(_ code: ErrorCode) {
        self =
            switch code {
            case .notFound, .modelNotFound: .notFound
            case .authenticationRequired, .invalidAPIKey: .unauthenticated
            case .validationError, .contextLengthExceeded, .capabilityUnsupported, .upstreamRejected, .policyDenied,
                .priceMissing, .methodNotAllowed, .alreadyExists, .conflict, .idempotencyConflict, .payloadTooLarge,
                .unsupportedMediaType,
                .rateLimited, .quotaExceeded, .headersTooLarge:
                .refused
            case .requestTimeout, .upstreamRateLimited, .internalError, .upstreamError, .upstreamUnreachable,
                .upstreamInvalidResponse, .upstreamTruncated, .noRoute, .modelLoading, .providerDegraded, .overloaded,
                .shuttingDown, .storageUnavailable, .journalUnavailable, .journalFull, .upstreamTimeout, .storageFull,
                .configurationInvalid, .addressInUse, .dataFolderInUse, .platformSilent, .schemaRefused,
                .dependencyMissing, .downloadFailed, .checksumMismatch:
                .failed
            }
    }
}

/// How a command's error ends the process.
enum Failure {
    /// The parser's own: it knows the text and the status, which may be 0, as for `--help`.
    case ofArguments
    case told(String, ExitStatus)

    /// - Parameter words: of the command line.
    init(_ error: any Error, words: [String] = []) {
        switch error {
        case let problem as Problem:
            var message = problem.message
            if let parameter = problem.parameter, let option = CommandWords.option(for: parameter, in: words) {
                message = message.replacing("`\(parameter)`", with: "`\(option)`")
            }
            self = .told(
                "error: \(message) (\(problem.code.rawValue))\n  \(problem.hint)\n", ExitStatus(problem.code))
        case is ExitCode, is ValidationError, is CleanExit: self = .ofArguments
        case is CancellationError: self = .told("error: cancelled\n", .failed)
        default:
            if Volery.exitCode(for: error) == .validationFailure, let text = CommandWords.unknownCommand(in: words) {
                self = .told(text, .wrongUsage)
                return
            }
            self =
                Volery.exitCode(for: error) == .failure
                ? .told("error: \(Terminal.printable("\(error)"))\n", .failed) : .ofArguments
        }
    }
}
