package import Dispatch
package import NIOCore

/// An event loop whose thread is the simulation's and whose time is virtual. Its tasks keep their order.
// SAFETY: touched on the simulation's thread only.
package final class SimulatedEventLoop: EventLoop, @unchecked Sendable {
    package let process: SimulatedProcess
    let lane: Lane
    private var scheduled: [UInt64: Pending] = [:]
    private var serial: UInt64 = 0
    private var isStopped = false
    private var channels: [UInt64: SimulatedChannelCore] = [:]

    private struct Pending {
        let timer: SimulatedTimer
        let fail: (any Error) -> Void
    }

    package init(process: SimulatedProcess, name: String = "loop") {
        self.process = process
        lane = Lane(process: process, name: name)
        process.onBurial { [unowned self] in closeAll() }
        process.onBuried { [unowned self] in stop() }
    }

    package var inEventLoop: Bool { process.simulation.current === lane }

    /// Begins at 1000 s, so that a deadline may lie before the beginning.
    package var now: NIODeadline {
        .uptimeNanoseconds(1_000_000_000_000) + .nanoseconds(process.simulation.nanoseconds)
    }

    package func execute(_ task: @escaping @Sendable () -> Void) { lane.add(task) }

    @discardableResult
    package func scheduleTask<T>(
        deadline: NIODeadline, _ task: @escaping @Sendable () throws -> T
    ) -> Scheduled<T> {
        let promise = makePromise(of: T.self)
        guard !isStopped else {
            promise.fail(EventLoopError.shutdown)
            return Scheduled(promise: promise) {}
        }
        serial += 1
        let id = serial
        let work = { [self] in
            guard scheduled.removeValue(forKey: id) != nil else { return }
            do { promise.assumeIsolated().succeed(try task()) } catch { promise.fail(error) }
        }
        let timer = process.simulation.after(.nanoseconds((deadline - now).nanoseconds), of: process) { [lane] in
            lane.add(work)
        }
        scheduled[id] = Pending(timer: timer) { promise.fail($0) }
        return Scheduled(promise: promise) { [self] in scheduled.removeValue(forKey: id)?.timer.cancel() }
    }

    @discardableResult
    package func scheduleTask<T>(
        in delay: TimeAmount, _ task: @escaping @Sendable () throws -> T
    ) -> Scheduled<T> {
        scheduleTask(deadline: now + delay, task)
    }

    package func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) {
        callback(EventLoopError.unsupportedOperation)
    }

    // MARK: Channels

    /// Holds the channel until it is closed, as a selector does.
    func adopt(_ channel: SimulatedChannelCore) -> UInt64 {
        serial += 1
        channels[serial] = channel
        return serial
    }

    func forget(_ channel: UInt64) { channels[channel] = nil }

    private func closeAll() {
        lane.add { [self] in
            for id in channels.keys.sorted() {
                channels[id]?.close0(error: ChannelError.eof, mode: .all, promise: nil)
            }
        }
    }

    /// What was scheduled fails, as on a real loop that ends.
    private func stop() {
        isStopped = true
        process.simulation.with(lane) {
            for id in scheduled.keys.sorted() {
                guard let pending = scheduled.removeValue(forKey: id) else { continue }
                pending.timer.cancel()
                pending.fail(EventLoopError.shutdown)
            }
        }
    }
}
