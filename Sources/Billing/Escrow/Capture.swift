package import Kernel

/// How what a request really took is spread over what was set aside for it. The gateway, which gives the rest back to
/// its memory, and whoever settles the request later use this one rule, so that they agree to the last unit.
package enum Capture {
    /// Parts with a slice pay at most what they hold, in their order; one without a bound pays all that is left.
    /// - Parameters:
    ///   - parts: of a hold.
    ///   - amounts: one for each part; those of purses are replaced.
    /// - Returns: what no part pays.
    package static func pay(_ price: Int64, from parts: [Hold.Part], into amounts: inout PartAmounts) -> Int64 {
        var rest = max(0, price)
        for place in parts.indices where parts[place].isPurse {
            let amount = pay(rest, from: parts[place])
            amounts[place] = amount
            rest -= amount
        }
        return rest
    }

    /// What one purse pays of what those before it have left.
    package static func pay(_ rest: Int64, from part: Hold.Part) -> Int64 {
        part.escrow == nil ? rest : min(rest, max(0, part.amount))
    }

    /// A budget that is a wall counts at most what was set aside; any other one counts everything.
    package static func count(_ quantity: Int64, in part: Hold.Part) -> Int64 {
        part.escrow == nil ? max(0, quantity) : min(max(0, quantity), max(0, part.amount))
    }
}

extension Quantities {
    /// So much of an asset that needs no price; nil for money and UMU, which do.
    package subscript(asset: Asset) -> Int64? {
        switch asset {
        case .money, .umu: nil
        case .tokens: tokens
        case .audio: audioMilliseconds
        case .gpu: gpuMilliseconds
        case .requests: requests
        }
    }
}
