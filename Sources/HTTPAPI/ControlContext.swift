package import Hummingbird
import Kernel

/// What travels with a request of the control plane. Its logger carries the request's identifier.
package struct ControlContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// Ours, never the client's; set before any handler runs.
    var requestID: Kernel.RequestID?

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
    }
}
