package import Flows
package import Kernel
import NIOHTTP1

extension RemoteControl {
    package func route(of request: RequestID) async throws -> RouteView {
        try await send(.GET, "/v1/requests/\(request)/route")
    }
}
