package import AsyncHTTPClient
package import Fleet
import Kernel
import NIOCore
import NIOHTTP1

/// Asks over HTTP whether a runtime is well.
package struct HTTPProbe: RuntimeProbe {
    private let client: HTTPClient

    /// - Parameter client: is not shut down here.
    package init(client: HTTPClient) { self.client = client }

    package func failure(of probe: Probe, at endpoint: Endpoint) async -> String? {
        var request = HTTPClientRequest(url: endpoint.url + probe.path)
        request.headers.add(name: "connection", value: "close")
        do {
            let limit = TimeAmount.nanoseconds(probe.timeout.microseconds * 1000)
            let response = try await client.execute(request, timeout: limit)
            let status = Int(response.status.code)
            return status == probe.expectedStatus ? nil : "HTTP status \(status)"
        } catch let error as HTTPClientError {
            return error.shortDescription
        } catch {
            return "\(error)"
        }
    }
}
