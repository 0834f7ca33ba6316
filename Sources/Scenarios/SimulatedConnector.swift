import Gateway
import Inference
import NIOCore
import TestKit

/// The gateway's way to its upstreams, over simulated pipes. A node is named by the endpoint's host.
// SAFETY: used on the simulation's thread only.
struct SimulatedConnector: UpstreamConnector, @unchecked Sendable {
    let network: SimulatedNetwork
    let process: SimulatedProcess

    func connect(
        to endpoint: Endpoint, on eventLoop: any EventLoop, timeout: TimeAmount,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        guard let loop = eventLoop as? SimulatedEventLoop else {
            return eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
        }
        let attempt = Attempt(loop: loop)
        let limit = loop.scheduleTask(in: timeout) { attempt.fail(ChannelError.connectTimeout(timeout)) }
        // The loop's end fails what it had scheduled.
        limit.futureResult.whenFailure { attempt.fail($0) }
        network.connect("gateway", to: endpoint.host, of: process) { result in
            loop.execute {
                guard !attempt.isOver else {
                    if case .success(let socket) = result { socket.close() }
                    return
                }
                switch result {
                case .success(let socket):
                    attempt.succeed(SimulatedChannel.start(on: socket, loop: loop, initializer: initializer))
                case .failure: attempt.fail(ChannelError.connectFailed)
                }
                limit.cancel()
            }
        }
        return attempt.promise.futureResult
    }

    // SAFETY: used on the simulation's thread only.
    private final class Attempt: @unchecked Sendable {
        let promise: EventLoopPromise<any Channel>
        private(set) var isOver = false

        init(loop: SimulatedEventLoop) { promise = loop.makePromise() }

        func succeed(_ channel: EventLoopFuture<any Channel>) {
            guard !isOver else { return }
            isOver = true
            promise.completeWith(channel)
        }

        func fail(_ error: any Error) {
            guard !isOver else { return }
            isOver = true
            promise.fail(error)
        }
    }
}

extension ChannelError {
    /// Any failure that is no time-out: nobody listened there.
    fileprivate static var connectFailed: any Error { IOError(errnoCode: 111, reason: "connection refused") }
}
