/// A 128-bit identifier that sorts by the time it was made: 48 bits of Unix milliseconds, then 80 random bits.
///
/// Text form: 26 characters of Crockford's base 32, upper case. Source: https://github.com/ulid/spec
///
/// Compared and hashed wherever identifiers are looked up, and so open to the optimizer of other modules.
public struct ULID: Hashable, Sendable, Comparable {
    public let high: UInt64
    public let low: UInt64

    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// - Parameters:
    ///   - milliseconds: Unix time; the upper 16 bits are dropped.
    ///   - random: two words of randomness, of which 80 bits are used.
    public init(milliseconds: UInt64, random: (UInt64, UInt64)) {
        high = (milliseconds << 16) | (random.0 & 0xFFFF)
        low = random.1
    }

    /// Reads the text form, in either case. Anything that `description` could not have written is refused.
    public init?(_ text: some StringProtocol) {
        var high: UInt64 = 0
        var low: UInt64 = 0
        var count = 0
        for byte in text.utf8 {
            guard let digit = Base32.value(of: byte) else { return nil }
            if count == 0, digit > 7 { return nil }
            high = (high << 5) | (low >> 59)
            low = (low << 5) | UInt64(digit)
            count += 1
            if count > 26 { return nil }
        }
        guard count == 26 else { return nil }
        self.init(high: high, low: low)
    }

    public var milliseconds: UInt64 { high >> 16 }

    @inlinable
    public static func == (left: ULID, right: ULID) -> Bool { left.low == right.low && left.high == right.high }

    /// One step for both halves, of which the second is random.
    @inlinable
    public func hash(into hasher: inout Hasher) { hasher.combine(high ^ low) }

    /// What a table that is keyed by identifiers asks for: in a fifth of the general hasher's steps, since identifiers
    /// are made here, and callers choose none that is kept. A requirement of the standard library's `Hashable` that is
    /// not documented: were it gone, the method above would do, only slower.
    /// Source of the rounds: SplitMix64, https://prng.di.unimi.it/splitmix64.c
    @inlinable
    public func _rawHashValue(seed: Int) -> Int {
        var word = high ^ low ^ Self.salt ^ UInt64(bitPattern: Int64(seed))
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int(truncatingIfNeeded: word ^ (word >> 31))
    }

    /// Of this process alone, as the general hasher's.
    @usableFromInline
    static let salt = UInt64(bitPattern: Int64(Hasher().finalize()))

    @inlinable
    public static func < (left: ULID, right: ULID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

extension ULID: CustomStringConvertible {
    /// Of its text form.
    public static let length = 26

    public var description: String {
        String(unsafeUninitializedCapacity: Self.length) { buffer in
            write(to: buffer, at: 0)
            return Self.length
        }
    }

    /// Writes the text form; the buffer must have room for it.
    public func write(to buffer: UnsafeMutableBufferPointer<UInt8>, at start: Int) {
        var high = high
        var low = low
        var place = start + Self.length
        while place > start {
            place -= 1
            buffer[place] = Base32.digit(UInt8(truncatingIfNeeded: low & 31))
            low = (low >> 5) | (high << 59)
            high >>= 5
        }
    }
}

/// Crockford's base 32: no I, L, O or U, so that an identifier read aloud survives.
public enum Base32 {
    private static let digits: StaticString = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

    /// - Parameter value: below 32.
    public static func digit(_ value: UInt8) -> UInt8 { digits.utf8Start[Int(value & 31)] }

    public static func value(of byte: UInt8) -> UInt8? {
        let upper = byte >= 0x61 ? byte & 0xDF : byte
        switch upper {
        case 0x30...0x39: return upper - 0x30
        case 0x41...0x48: return upper - 0x41 + 10
        case 0x4A...0x4B: return upper - 0x4A + 18
        case 0x4D...0x4E: return upper - 0x4D + 20
        case 0x50...0x54: return upper - 0x50 + 22
        case 0x56...0x5A: return upper - 0x56 + 27
        default: return nil
        }
    }

    /// Lower-case digits that carry five bits each of the given bytes; trailing bits short of five are dropped.
    public static func lowercase(_ bytes: some Sequence<UInt8>) -> String {
        var text = ""
        var bits: UInt32 = 0
        var held = 0
        for byte in bytes {
            bits = (bits << 8) | UInt32(byte)
            held += 8
            while held >= 5 {
                held -= 5
                text.unicodeScalars.append(Unicode.Scalar(digit(UInt8((bits >> held) & 31)) | 0x20))
            }
            bits &= (1 << held) - 1
        }
        return text
    }
}
