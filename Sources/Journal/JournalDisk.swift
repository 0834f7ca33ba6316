#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The two calls that a failing disk shows itself in. Tests put their own in place.
package struct JournalDisk: Sendable {
    /// As `write(2)`: how many bytes were taken, or -1 with `errno`.
    package var write: @Sendable (CInt, UnsafeRawBufferPointer) -> Int
    /// As `fdatasync(2)`: 0, or -1 with `errno`.
    package var sync: @Sendable (CInt) -> CInt

    package init(
        write: @escaping @Sendable (CInt, UnsafeRawBufferPointer) -> Int,
        sync: @escaping @Sendable (CInt) -> CInt
    ) {
        self.write = write
        self.sync = sync
    }

    package static let system = JournalDisk(
        write: { descriptor, bytes in
            var count = -1
            repeat { count = writeOnce(descriptor, bytes) } while count < 0 && errno == EINTR
            return count
        },
        sync: { descriptor in
            #if canImport(Glibc)
                fdatasync(descriptor)
            #else
                fcntl(descriptor, F_FULLFSYNC)
            #endif
        })

    private static func writeOnce(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Glibc)
            Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        #else
            Darwin.write(descriptor, bytes.baseAddress, bytes.count)
        #endif
    }
}
