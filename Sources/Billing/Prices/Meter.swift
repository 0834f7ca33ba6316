/// A unit of usage that can have a price.
package enum Meter: String, Sendable, Codable, CaseIterable {
    /// Of the prompt, without those that the model had cached.
    case input = "input_tokens"
    case cachedInput = "cached_input_tokens"
    /// Of the answer, without reasoning.
    case output = "output_tokens"
    case reasoning = "reasoning_tokens"
    case images
    /// Counted in milliseconds, priced by the second.
    case audio = "audio_seconds"
    /// Counted in milliseconds, priced by the second.
    case gpu = "gpu_seconds"
    /// Of text that is spoken.
    case characters
    case requests

    /// How many units of `Quantities` are one of what a price is for.
    package var unitsPerWhole: Int64 {
        switch self {
        case .audio, .gpu: 1000
        case .input, .cachedInput, .output, .reasoning, .images, .characters, .requests: 1
        }
    }
}

/// What was consumed, or may be consumed at most, in each meter's units.
package struct Quantities: Hashable, Sendable {
    package var input: Int64 = 0
    package var cachedInput: Int64 = 0
    package var output: Int64 = 0
    package var reasoning: Int64 = 0
    package var images: Int64 = 0
    package var audioMilliseconds: Int64 = 0
    package var gpuMilliseconds: Int64 = 0
    package var characters: Int64 = 0
    package var requests: Int64 = 0

    package init() {}

    /// Whether there is no more of anything than in the other.
    package func isWithin(_ other: Quantities) -> Bool { Meter.allCases.allSatisfy { self[$0] <= other[$0] } }

    package subscript(meter: Meter) -> Int64 {
        switch meter {
        case .input: input
        case .cachedInput: cachedInput
        case .output: output
        case .reasoning: reasoning
        case .images: images
        case .audio: audioMilliseconds
        case .gpu: gpuMilliseconds
        case .characters: characters
        case .requests: requests
        }
    }

    /// Tokens of all kinds.
    package var tokens: Int64 {
        [cachedInput, output, reasoning].reduce(input) { saturating($0, $1) }
    }
}
