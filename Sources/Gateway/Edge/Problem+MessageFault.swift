import Kernel

extension Problem {
    /// What a client is told whose bytes are no request.
    init(_ fault: MessageFault) {
        switch fault {
        case .headTooLarge: self.init(.headersTooLarge)
        // Where such a body ends nobody can tell, nor where the next request begins.
        case .transferEncoding:
            self.init(
                .validationError, "The transfer coding is not one that this server knows.",
                parameter: "transfer-encoding", hint: "Send `chunked`, or `content-length`.")
        case .host:
            self.init(
                .validationError, "The header `host` stands more than once.", parameter: "host", hint: "Send it once.")
        case .contentLength:
            self.init(
                .validationError, "Where the request's body ends is not clear.", parameter: "content-length",
                hint: "Send one `content-length`, or `transfer-encoding: chunked`, and not both.")
        case .startLine, .version, .field, .chunk, .informational:
            self.init(
                .validationError, "The request is not valid HTTP/1.1.", hint: "Check the request line and headers.")
        }
    }
}
