import Foundation
import Synchronization
import TestKit

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Stands between the engine and a server, and cuts or mutes a connection at a chosen moment.
final class CuttingProxy: Sendable {
    enum Fault: Sendable {
        /// The server never hears it.
        case cutBefore
        /// The server does it, and its answer is lost.
        case cutAfter
        /// The connection stays, and nothing passes any more.
        case mute
    }

    private struct State {
        var trigger: (text: [UInt8], fault: Fault)?
        var struck = 0
        var holdsCancels = false
        var heldCancels = 0
    }

    /// The first word of a request to cancel, after its length.
    private static let cancelCode: [UInt8] = [0x04, 0xD2, 0x16, 0x2E]

    let port: UInt16
    private let listener: Int32
    private let target: UInt16
    private let state = Mutex(State())
    private let release = DispatchSemaphore(value: 0)

    init(to target: UInt16) throws {
        self.target = target
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(listener, pointer, length) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, pointer, &length) == 0
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        guard isBound else { throw POSIXError(.EADDRNOTAVAIL) }
        Thread.detachNewThread { [self] in acceptAll() }
    }

    /// How often it struck.
    var struck: Int { state.withLock { $0.struck } }

    /// Strikes once, when the client next says the text.
    func arm(_ text: String, _ fault: Fault) { state.withLock { $0.trigger = (Array(text.utf8), fault) } }

    /// Keeps requests to cancel to itself until `releaseCancels`.
    func holdCancels() { state.withLock { $0.holdsCancels = true } }

    var heldCancels: Int { state.withLock { $0.heldCancels } }

    func releaseCancels() {
        let held = state.withLock { state in
            state.holdsCancels = false
            return state.heldCancels
        }
        for _ in 0..<held { release.signal() }
    }

    func close() { shutdown(listener, Int32(SHUT_RDWR)) }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = port.bigEndian
        return address
    }

    private func acceptAll() {
        while true {
            let client = accept(listener, nil, nil)
            guard client >= 0 else { return }
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = Self.address(target)
            let isConnected = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                    connect(server, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            guard isConnected else {
                _ = Foundation.close(client)
                _ = Foundation.close(server)
                continue
            }
            let isStruck = Shared<Fault?>(nil)
            Thread.detachNewThread { [self] in
                pump(from: client, to: server) { bytes in strike(bytes, isStruck) }
                // The server's end closes when this side is done; the descriptors stay open until then.
                shutdown(server, Int32(SHUT_RDWR))
            }
            Thread.detachNewThread { [self] in
                pump(from: server, to: client) { _ in isStruck.value.map { $0 == .mute ? .swallow : .stop } ?? .pass }
                shutdown(client, Int32(SHUT_RDWR))
                shutdown(server, Int32(SHUT_RDWR))
            }
        }
    }

    private enum Verdict { case pass, swallow, stop }

    private func strike(_ bytes: ArraySlice<UInt8>, _ isStruck: Shared<Fault?>) -> Verdict {
        if bytes.count == 16, bytes.dropFirst(4).prefix(4).elementsEqual(Self.cancelCode) {
            let isHeld = state.withLock { state in
                state.heldCancels += state.holdsCancels ? 1 : 0
                return state.holdsCancels
            }
            if isHeld { release.wait() }
        }
        if isStruck.value == .mute { return .swallow }
        let fault: Fault? = state.withLock { state in
            guard let trigger = state.trigger, bytes.contains(trigger.text) else { return nil }
            state.trigger = nil
            state.struck += 1
            return trigger.fault
        }
        guard let fault else { return .pass }
        isStruck.update { $0 = fault }
        switch fault {
        case .cutBefore: return .stop
        // Passed on; the answer makes the other direction stop.
        case .cutAfter: return .pass
        case .mute: return .swallow
        }
    }

    private func pump(from source: Int32, to sink: Int32, _ judge: (ArraySlice<UInt8>) -> Verdict) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(source, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            switch judge(buffer[..<count]) {
            case .pass: guard send(sink, buffer, count, Int32(MSG_NOSIGNAL)) == count else { return }
            case .swallow: continue
            case .stop: return
            }
        }
    }
}
