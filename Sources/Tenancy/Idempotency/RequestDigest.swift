/// Tells whether two requests with one key are the same.
package protocol RequestDigest: Sendable {
    /// 32 bytes, the same on every node and in every version, over what is asked for and with which body.
    /// - Parameter target: method and path with its query: `POST /v1/chat/completions`.
    func digest(target: String, body: UnsafeRawBufferPointer) -> [UInt8]
}
