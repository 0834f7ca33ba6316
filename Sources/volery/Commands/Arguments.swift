import ArgumentParser
import Foundation
import Kernel

/// Reads an identifier of one kind.
func identifier<Kind: IDKind>(_ text: String) throws -> ID<Kind> {
    guard let id = ID<Kind>(text) else {
        throw ValidationError("`\(text)` is not an identifier of the form \(Kind.prefix)_<ULID>.")
    }
    return id
}

/// When a key ends: a point in time, or so long from now.
enum Expiry: Equatable {
    case at(Instant)
    case after(Duration)

    static let allowed = "a time such as 2027-01-31T00:00:00Z, a day such as 2027-01-31, or 90d, 2w, 12h"

    init(argument: String) throws {
        if let unit = argument.last, let seconds = ["w": 604_800, "d": 86400, "h": 3600][unit],
            let count = Int64(argument.dropLast()), (1...36500).contains(count)
        {
            self = .after(.seconds(count * Int64(seconds)))
            return
        }
        let isDay = argument.count == 10
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: argument.contains("."))
        guard let date = try? style.parse(isDay ? argument + "T00:00:00Z" : argument) else {
            throw ValidationError("`\(argument)` is no time; give \(Self.allowed).")
        }
        self = .at(Instant(date))
    }

    func instant(now: Instant) -> Instant {
        switch self {
        case .at(let instant): instant
        case .after(let duration): now + duration
        }
    }
}

/// So long: `90d`, `12h`, `30m`, `45s`.
struct Span: Equatable {
    static let allowed = "a time span such as 90d, 2w, 12h, 30m or 45s"

    let seconds: Int

    init(argument: String) throws {
        let units = ["w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1]
        let digits = argument.dropLast()
        guard let unit = argument.last.flatMap({ units[String($0)] }), digits.allSatisfy({ ("0"..."9").contains($0) }),
            let count = Int(digits), count <= 1_000_000_000
        else { throw ValidationError("`\(argument)` is no time span; give \(Self.allowed).") }
        seconds = count * unit
    }
}

extension Instant {
    /// For tables: to the second, in UTC.
    var short: String { description.prefix(19).replacing("T", with: " ") + "Z" }
}

/// Seconds with a precision that suits them: `0.034`, `12.1`.
func secondsText(_ seconds: Double) -> String {
    let digits = seconds < 10 ? 1000.0 : 10.0
    let units = Int64((seconds * digits).rounded())
    let rest = String(units % Int64(digits))
    let width = digits == 1000 ? 3 : 1
    return "\(units / Int64(digits))." + String(repeating: "0", count: max(0, width - rest.count)) + rest
}
