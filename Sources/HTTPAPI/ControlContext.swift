package import Hummingbird

/// What travels with a request of the control plane. Its logger carries the request's identifier.
package struct ControlContext: RequestContext {
    package var coreContext: CoreRequestContextStorage

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
    }
}
