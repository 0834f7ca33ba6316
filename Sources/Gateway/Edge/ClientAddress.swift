import Flows
package import Kernel
import NIOCore
import NIOHTTP1

/// Where requests come from: the connection's other end, or what trusted proxies say of it.
package struct ClientAddress: Sendable {
    /// Proxies in one request; what lies beyond is no chain that anybody built.
    private static let mostEntries = 64

    private let trusted: [AddressRange]

    /// - Parameter trusted: the proxies whose `x-forwarded-for` is believed.
    package init(trusting trusted: [AddressRange] = []) { self.trusted = trusted }

    /// The address at the other end of a connection; nil for one that has none, such as a socket in the file system.
    static func peer(of channel: any Channel) -> IPAddress? {
        switch channel.remoteAddress {
        // Family and port come first; in IPv6 the flow, too.
        case .v4(let address): withUnsafeBytes(of: address.address) { IPAddress(bytes: Array($0[4..<8])) }
        case .v6(let address): withUnsafeBytes(of: address.address) { IPAddress(bytes: Array($0[8..<24])) }
        case .unixDomainSocket, nil: nil
        }
    }

    /// Each proxy adds whom it heard from at the right. So the first from the right that is no proxy of ours is the
    /// client, and what stands left of it is the client's own word.
    func client(peer: IPAddress?, headers: some HeaderLookup) -> IPAddress? {
        guard !trusted.isEmpty, let peer, isTrusted(peer) else { return peer }
        var nearest = peer
        var left = Self.mostEntries
        for line in headers["x-forwarded-for"].reversed() {
            for entry in line.split(separator: ",", omittingEmptySubsequences: false).reversed() {
                left -= 1
                // A proxy that hides whom it heard from: nothing further left can be believed.
                guard left >= 0, let address = Self.address(in: entry) else { return nearest }
                nearest = address
                if !isTrusted(address) { return address }
            }
        }
        return nearest
    }

    private func isTrusted(_ address: IPAddress) -> Bool { trusted.contains { $0.contains(address) } }

    /// Some proxies add the port: `192.0.2.7:4711`, `[2001:db8::7]:4711`.
    private static func address(in entry: Substring) -> IPAddress? {
        var text = entry.drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        if let address = IPAddress(text) { return address }
        if text.first == "[", let end = text.firstIndex(of: "]") { return IPAddress(text[..<end].dropFirst()) }
        guard let colon = text.firstIndex(of: ":"), text.lastIndex(of: ":") == colon else { return nil }
        return IPAddress(text[..<colon])
    }

    /// Tells the control plane, whatever the client said under that name.
    func note(_ client: IPAddress?, in headers: inout HTTPHeaders) {
        headers.remove(name: ClientAddressField.name)
        if let client { headers.add(name: ClientAddressField.name, value: client.description) }
    }
}
