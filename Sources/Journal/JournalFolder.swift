import Kernel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The journal's folder: the names and headers of its segments, by number. One process owns it at a time.
struct JournalFolder: Sendable {
    let path: String
    let files: any JournalFileSystem

    /// Makes the folder where it is missing; the one around it must exist.
    /// - Returns: nil when another process has it.
    static func claim(_ path: String, files: any JournalFileSystem) throws(FileFailure) -> JournalFolder? {
        try files.claim(path) ? JournalFolder(path: path, files: files) : nil
    }

    func release() { files.release(path) }

    /// What the folder holds: the numbers of the segments, in order, and of those that were set aside.
    func numbers() throws(FileFailure) -> (segments: [UInt64], setAside: [UInt64]) {
        let names = try files.names(in: path)
        func numbers(endingIn suffix: String) -> [UInt64] {
            names.compactMap { $0.hasSuffix(suffix) ? UInt64($0.dropLast(suffix.count)) : nil }.sorted()
        }
        return (numbers(endingIn: ".vj"), numbers(endingIn: ".vj.damaged"))
    }

    /// A new segment with its header; both, and the name, are durable when this returns.
    /// - Parameter sequence: the next record's. An empty segment keeps the count going over a restart.
    func create(_ number: UInt64, sequence: UInt64) throws(FileFailure) -> any JournalFile {
        // A leftover of the same number is an earlier try that failed before the first record.
        let file = try files.create(self.file(number))
        var writer = ByteWriter(capacity: SegmentHeader.length)
        SegmentHeader(number: number, sequence: sequence).encode(into: &writer)
        do throws(FileFailure) {
            let count = writer.withBytes { file.append($0) }
            guard count == SegmentHeader.length else {
                throw FileFailure(
                    step: "write a header", code: count < 0 ? CInt(clamping: -count) : FileFailure.noSpace)
            }
            let code = file.sync()
            guard code == 0 else { throw FileFailure(step: "sync a header", code: code) }
            try files.syncFolder(path)
        } catch {
            file.close()
            // What stays is a file without records, which the next opening removes.
            try? files.remove(self.file(number))
            throw error
        }
        return file
    }

    /// The bytes of a segment from `offset` on, at most up to `end`.
    func read(_ number: UInt64, from offset: Int = 0, to end: Int = .max) throws(FileFailure) -> [UInt8] {
        try files.read(file(number), from: offset, to: end)
    }

    func readSetAside(_ number: UInt64) throws(FileFailure) -> [UInt8] {
        try files.read(file(number) + ".damaged", from: 0, to: .max)
    }

    func truncate(_ number: UInt64, to length: Int) throws(FileFailure) {
        try files.truncate(file(number), to: length)
    }

    /// Sees to it that a segment which an earlier process wrote is on the disk: that process may have been killed
    /// before its sync, and what is read here may be in the system's memory only.
    /// - Parameter bytes: all that is read of it. After a failed sync the system may drop what it holds and call the
    ///   next sync good, so then a copy of these takes the file's place.
    func makeDurable(_ number: UInt64, _ bytes: [UInt8]) throws(FileFailure) {
        do throws(FileFailure) {
            try files.sync(file(number))
        } catch {
            try replace(number, by: bytes)
        }
    }

    private func replace(_ number: UInt64, by bytes: [UInt8]) throws(FileFailure) {
        let path = file(number) + ".copy"
        let copy = try files.create(path)
        defer { copy.close() }
        let count = bytes.withUnsafeBytes { copy.append($0) }
        guard count == bytes.count else {
            throw FileFailure(step: "copy a file", code: count < 0 ? CInt(clamping: -count) : FileFailure.noSpace)
        }
        let code = copy.sync()
        guard code == 0 else { throw FileFailure(step: "sync a copy", code: code) }
        try files.rename(path, to: file(number))
        try files.syncFolder(self.path)
    }

    func remove(_ number: UInt64) throws(FileFailure) { try files.remove(file(number)) }

    /// Puts a segment aside that holds something unreadable: evidence for a person, and out of the shipper's way.
    func setAside(_ number: UInt64) throws(FileFailure) {
        try files.rename(file(number), to: file(number) + ".damaged")
    }

    private func file(_ number: UInt64) -> String { path + "/" + Self.name(number) }

    static func name(_ number: UInt64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 8 - digits.count)) + digits + ".vj"
    }
}

/// How a segment begins: magic, format, reserved, number; from format 2 on the next record's sequence, and the CRC-32C
/// of what comes before it.
struct SegmentHeader {
    /// Of the format that is written.
    static let length = 28
    private static let magic: [UInt8] = Array("VOLJ".utf8)
    private static let format: UInt16 = 2
    private static let firstFormatLength = 16

    let number: UInt64
    /// Nil in format 1.
    let sequence: UInt64?
    /// Where the records begin.
    let end: Int

    init(number: UInt64, sequence: UInt64) {
        self.number = number
        self.sequence = sequence
        end = Self.length
    }

    func encode(into writer: inout ByteWriter) {
        Self.magic.withUnsafeBytes { writer.append($0) }
        writer.integer(Self.format)
        writer.integer(UInt16(0))
        writer.integer(number)
        writer.integer(sequence ?? 0)
        writer.integer(writer.withBytes(RecordFrame.checksum))
    }

    /// Nil when the bytes do not begin with the header of segment `number`, in a format that this binary knows.
    init?(_ bytes: UnsafeRawBufferPointer, of number: UInt64) {
        guard bytes.count >= Self.firstFormatLength, bytes.starts(with: Self.magic) else { return nil }
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[Self.magic.count...]))
        do {
            let format: UInt16 = try reader.integer()
            let reserved: UInt16 = try reader.integer()
            let isKnown = format == 1 || format == Self.format
            guard isKnown, reserved == 0, try reader.integer() == number else { return nil }
            self.number = number
            if format == 1 {
                sequence = nil
                end = Self.firstFormatLength
                return
            }
            sequence = try reader.integer(UInt64.self)
            end = Self.length
            let covered = UnsafeRawBufferPointer(rebasing: bytes[..<(Self.length - 4)])
            guard try reader.integer() == RecordFrame.checksum(covered) else { return nil }
        } catch {
            return nil
        }
    }
}

extension FileFailure {
    /// Whether it says nothing of the file: this process, or the machine, has no more files or memory to give now.
    var isShortage: Bool { [EMFILE, ENFILE, ENOMEM, EAGAIN, EINTR].contains(code) }
}
