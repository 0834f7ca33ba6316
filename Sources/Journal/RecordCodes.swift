import Inference
import Kernel

/// The numbers that stand for cases on disk: a new case takes a new one, and none is ever used again.
enum RecordCodes {
    /// Bytes. Longer than any name that gets past the gateway's limits.
    static let textLimit = 1024

    static func code(of operation: Inference.Operation) -> UInt8 {
        switch operation {
        case .chat: 1
        case .completions: 2
        case .embeddings: 3
        case .messages: 4
        case .responses: 5
        }
    }

    static func code(of status: RequestStatus) -> UInt8 {
        switch status {
        case .succeeded: 1
        case .clientClosed: 2
        case .truncated: 3
        case .rejected: 4
        case .failed: 5
        case .timedOut: 6
        case .interrupted: 7
        }
    }

    static func code(of source: CountSource) -> UInt8 {
        switch source {
        case .provider: 1
        case .counted: 2
        case .estimated: 3
        }
    }

    static func code(of cost: Attempt.Cost) -> UInt8 {
        switch cost {
        case .confirmed: 1
        case .estimated: 2
        case .unknown: 3
        case .none: 4
        }
    }

    static func code(of asset: Asset) -> UInt8 {
        switch asset {
        case .money(.irr): 1
        case .money(.usd): 2
        case .money(.eur): 3
        case .umu: 64
        case .tokens: 65
        case .audio: 66
        case .gpu: 67
        case .requests: 68
        }
    }

    static func operation(of number: UInt8) -> Inference.Operation? {
        Operation.allCases.first { code(of: $0) == number }
    }

    static func status(of number: UInt8) -> RequestStatus? {
        RequestStatus.allCases.first { code(of: $0) == number }
    }

    static func source(of number: UInt8) -> CountSource? {
        CountSource.allCases.first { code(of: $0) == number }
    }

    static func cost(of number: UInt8) -> Attempt.Cost? {
        Attempt.Cost.allCases.first { code(of: $0) == number }
    }

    static func asset(of number: UInt8) -> Asset? { Asset.all.first { code(of: $0) == number } }
}
