import Kernel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A port of this machine's loopback address that nobody uses now.
///
/// Between this answer and the child's bind another program may take it; the child then fails to start and is started
/// again with another port.
enum FreePort {
    static func next() throws(Problem) -> Int {
        #if canImport(Glibc)
            let stream = Int32(SOCK_STREAM.rawValue)
        #else
            let stream = SOCK_STREAM
        #endif
        let descriptor = socket(AF_INET, stream, 0)
        guard descriptor >= 0 else { throw failed() }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { general in
                bind(descriptor, general, length) == 0 ? getsockname(descriptor, general, &length) : -1
            }
        }
        guard status == 0 else { throw failed() }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    private static func failed() -> Problem {
        Problem(.internalError, "No free port on 127.0.0.1: \(String(cString: strerror(errno))).")
    }
}
