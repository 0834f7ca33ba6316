/// Text in the making, in UTF-8: what is put goes behind what is there, and nothing is made into a `String` first. For
/// what every request writes: its line in the log, and the fields of its answer.
package struct TextBytes: Sendable {
    private var storage: [UInt8]
    package private(set) var count = 0

    package init(capacity: Int) { storage = Array(repeating: 0, count: capacity) }

    package func withBytes<Answer>(_ body: (UnsafeRawBufferPointer) -> Answer) -> Answer {
        storage.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }

    package mutating func put(_ text: StaticString) {
        put(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    package mutating func put(text: String) {
        var text = text
        text.withUTF8 { put(UnsafeRawBufferPointer($0)) }
    }

    package mutating func put(_ byte: UInt8) {
        reserve(1)
        storage[count] = byte
        count += 1
    }

    package mutating func put(_ bytes: UnsafeRawBufferPointer) {
        reserve(bytes.count)
        let place = count
        storage.withUnsafeMutableBytes {
            UnsafeMutableRawBufferPointer(rebasing: $0[place...]).copyMemory(from: bytes)
        }
        count += bytes.count
    }

    /// - Parameter body: writes at most so many bytes, and says how many.
    package mutating func put(most: Int, _ body: (UnsafeMutableBufferPointer<UInt8>) -> Int) {
        reserve(most)
        let place = count
        count += storage.withUnsafeMutableBufferPointer {
            body(UnsafeMutableBufferPointer(rebasing: $0[place..<place + most]))
        }
    }

    private mutating func reserve(_ more: Int) {
        guard storage.count - count < more else { return }
        storage.append(contentsOf: repeatElement(0, count: max(storage.count, more)))
    }
}

/// Writes one piece behind the other into memory that has room for all of them.
package struct TextCursor {
    private let buffer: UnsafeMutableBufferPointer<UInt8>
    package private(set) var count = 0

    package init(_ buffer: UnsafeMutableBufferPointer<UInt8>) { self.buffer = buffer }

    package mutating func put(_ text: StaticString) {
        put(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    package mutating func put(_ bytes: UnsafeBufferPointer<UInt8>) {
        _ = UnsafeMutableBufferPointer(rebasing: buffer[count...]).update(fromContentsOf: bytes)
        count += bytes.count
    }

    package mutating func put(_ value: some TextWritable) {
        // A number is written from the end of its room.
        count += value.write(to: UnsafeMutableBufferPointer(rebasing: buffer[count..<count + value.longestText]))
    }
}

/// What has a text form of bounded length that is written where it belongs.
package protocol TextWritable {
    /// Bytes that the text form takes at most.
    var longestText: Int { get }
    /// - Parameter buffer: `longestText` bytes.
    /// - Returns: how many bytes the text form takes.
    func write(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int
}

extension Int: TextWritable {
    package var longestText: Int { DecimalText.longest(scale: 0) }

    package func write(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        DecimalText.write(Int64(self), scale: 0, places: 0, to: buffer)
    }
}

extension ID: TextWritable {}

extension Money: TextWritable {
    package var longestText: Int { Amount(units: units, .money(currency)).longestText }

    package func write(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        Amount(units: units, .money(currency)).write(to: buffer)
    }
}

extension Amount: TextWritable {
    package var longestText: Int { DecimalText.longest(scale: asset.scale) + 1 + asset.text.utf8.count }

    package func write(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        let digits = DecimalText.longest(scale: asset.scale)
        var place = DecimalText.write(
            units, scale: asset.scale, places: places, to: UnsafeMutableBufferPointer(rebasing: buffer[..<digits]))
        buffer[place] = UInt8(ascii: " ")
        for byte in asset.text.utf8 {
            place += 1
            buffer[place] = byte
        }
        return place + 1
    }
}
