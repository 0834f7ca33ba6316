import NIOCore

/// What a simulated channel does at the end of its pipeline, on its loop.
final class SimulatedChannelCore: ChannelCore {
    private let loop: SimulatedEventLoop
    private let socket: SimulatedSocket
    private var id: UInt64 = 0
    /// Nil once it is closed.
    var pipeline: ChannelPipeline?
    let closePromise: EventLoopPromise<Void>

    private(set) var isActive = false
    private(set) var isWritable = true
    private var isOpen = true
    private var isOutputOpen = true
    private var hasToldEnd = false
    var resetsOnClose = false

    private var readsByItself = true
    private var allowsHalfClosure = false
    private var waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 32 << 10, high: 64 << 10)

    private var isReadWanted = false
    private var isLookQueued = false
    private var isPumping = false
    private var pending = CircularBuffer<(bytes: ByteBuffer, promise: EventLoopPromise<Void>?)>()
    /// How many of the pending writes were flushed.
    private var flushed = 0
    private var pendingBytes = 0

    init(loop: SimulatedEventLoop, socket: SimulatedSocket) {
        self.loop = loop
        self.socket = socket
        closePromise = loop.makePromise()
        id = loop.adopt(self)
    }

    func begin() {
        guard isOpen, let pipeline else { return }
        isActive = true
        socket.onEvent = { [unowned self] event in happened(event) }
        pipeline.fireChannelRegistered()
        pipeline.fireChannelActive()
        readIfWanted()
        // It may have come to its end before anybody looked.
        if socket.isReset { happened(.reset) } else if socket.hasEnd || socket.hasBytes { happened(.readable) }
    }

    private func happened(_ event: SimulatedSocket.Event) {
        switch event {
        case .readable: look()
        case .writable: loop.lane.add { [self] in pump() }
        case .reset:
            loop.lane.add { [self] in
                close0(error: NIOCore.IOError(errnoCode: 104, reason: "connection reset"), mode: .all, promise: nil)
            }
        }
    }

    private func look() {
        guard !isLookQueued else { return }
        isLookQueued = true
        loop.lane.add { [self] in
            isLookQueued = false
            receive()
        }
    }

    // MARK: Reading

    private func receive() {
        guard isActive else { return }
        // As on a socket: with the end in sight, everything before it is read, whether it was asked for or not.
        if socket.hasEnd { return receiveToEnd() }
        guard isReadWanted, let bytes = socket.read() else { return }
        isReadWanted = false
        deliver(bytes)
        readIfWanted()
    }

    private func receiveToEnd() {
        isReadWanted = false
        while isActive, let bytes = socket.read() { deliver(bytes) }
        guard isActive, !hasToldEnd else { return }
        guard allowsHalfClosure else { return close0(error: ChannelError.eof, mode: .all, promise: nil) }
        hasToldEnd = true
        pipeline?.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    }

    private func deliver(_ bytes: ByteBuffer) {
        pipeline?.fireChannelRead(bytes)
        if isActive { pipeline?.fireChannelReadComplete() }
    }

    private func readIfWanted() {
        if isActive, readsByItself, !isReadWanted { pipeline?.read() }
    }

    func read0() {
        guard isOpen, !isReadWanted else { return }
        isReadWanted = true
        if isActive, socket.hasBytes { look() }
    }

    // MARK: Writing

    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard isOpen, isOutputOpen else {
            promise?.fail(isOpen ? ChannelError.outputClosed : ChannelError.ioOnClosedChannel)
            return
        }
        guard case .byteBuffer(let bytes) = unwrapData(data, as: IOData.self) else {
            promise?.fail(ChannelError.operationUnsupported)
            return
        }
        pending.append((bytes, promise))
        pendingBytes += bytes.readableBytes
        guard isWritable, pendingBytes > waterMark.high else { return }
        isWritable = false
        pipeline?.fireChannelWritabilityChanged()
    }

    func flush0() {
        flushed = pending.count
        pump()
    }

    /// Gives the system what it takes.
    private func pump() {
        guard isOpen, !isPumping else { return }
        isPumping = true
        while isOpen, flushed > 0, let (next, promise) = pending.first {
            var bytes = next
            let count = socket.write(&bytes)
            pendingBytes -= count
            guard bytes.readableBytes == 0 else {
                pending[pending.startIndex].bytes = bytes
                break
            }
            _ = pending.removeFirst()
            flushed -= 1
            promise?.succeed(())
        }
        isPumping = false
        guard isOpen, !isWritable, pendingBytes < waterMark.low else { return }
        isWritable = true
        pipeline?.fireChannelWritabilityChanged()
    }

    // MARK: Ending

    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard isOpen else {
            promise?.fail(ChannelError.alreadyClosed)
            return
        }
        switch mode {
        case .all: closeAll(error, promise)
        case .output:
            guard isOutputOpen else {
                promise?.fail(ChannelError.outputClosed)
                return
            }
            isOutputOpen = false
            failPending(ChannelError.outputClosed)
            socket.endOutput()
            promise?.succeed(())
            pipeline?.fireUserInboundEventTriggered(ChannelEvent.outputClosed)
        case .input: promise?.fail(ChannelError.operationUnsupported)
        }
    }

    private func closeAll(_ error: any Error, _ promise: EventLoopPromise<Void>?) {
        let wasActive = isActive
        isOpen = false
        isActive = false
        isOutputOpen = false
        socket.onEvent = nil
        if resetsOnClose { socket.reset() } else { socket.close() }
        failPending(error)
        promise?.succeed(())
        if wasActive {
            pipeline?.fireChannelInactive()
            pipeline?.fireChannelUnregistered()
        }
        // Later, since callers may still be on their way through the pipeline.
        loop.lane.add { [self] in
            if let pipeline { removeHandlers(pipeline: pipeline) }
            pipeline = nil
            closePromise.succeed(())
            loop.forget(id)
        }
    }

    private func failPending(_ error: any Error) {
        flushed = 0
        pendingBytes = 0
        while let (_, promise) = pending.popFirst() { promise?.fail(error) }
    }

    // MARK: Options

    func set<Option: ChannelOption>(_ option: Option, _ value: Option.Value) throws {
        guard isOpen else { throw ChannelError.ioOnClosedChannel }
        switch option {
        case is ChannelOptions.Types.AutoReadOption:
            readsByItself = value as? Bool ?? true
            if readsByItself { readIfWanted() } else { isReadWanted = false }
        case is ChannelOptions.Types.AllowRemoteHalfClosureOption: allowsHalfClosure = value as? Bool ?? false
        case is ChannelOptions.Types.WriteBufferWaterMarkOption:
            if let value = value as? ChannelOptions.Types.WriteBufferWaterMark { waterMark = value }
        // What tunes a real socket means nothing here.
        default: break
        }
    }

    func option<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
        guard isOpen else { throw ChannelError.ioOnClosedChannel }
        let value: Any? =
            switch option {
            case is ChannelOptions.Types.AutoReadOption: readsByItself
            case is ChannelOptions.Types.AllowRemoteHalfClosureOption: allowsHalfClosure
            case is ChannelOptions.Types.WriteBufferWaterMarkOption: waterMark
            default: nil
            }
        guard let value = value as? Option.Value else { throw ChannelError.operationUnsupported }
        return value
    }

    // MARK: What a connection has no use for

    func localAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }
    func remoteAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }
    func register0(promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }
    func registerAlreadyConfigured0(promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }
    func bind0(to: SocketAddress, promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }
    func connect0(to: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }
    func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }
    func channelRead0(_ data: NIOAny) {}
    func errorCaught0(error: any Error) {}
}
