import Gateway

extension GatewayLimits {
    /// - Parameter wallWait: which is part of what admission may take.
    init(_ limits: Configuration.Limits, wallWait: Duration, routing: Configuration.RoutingSettings) {
        self.init()
        admissionTimeout = wallWait + .seconds(8)
        queueTimeout = routing.queueTimeout
        commentInterval = routing.commentInterval
        maximumBody = limits.maxBody
        maximumBodiesHeld = limits.maxHeldBodies
        maximumHeaders = limits.maxHeaders
        maximumRequests = limits.maxConcurrentRequests
        maximumConnections = limits.maxConnections
        maximumAnswer = limits.upstreamMaxResponse
        defaultOutputCap = limits.defaultOutputCap
        headTimeout = limits.headerTimeout
        bodyTimeout = limits.bodyTimeout
        keepAliveTimeout = limits.idleTimeout
        wholeTimeout = limits.requestTimeout
        connectTimeout = limits.upstreamConnectTimeout
        firstByteTimeout = limits.upstreamFirstByteTimeout
        idleTimeout = limits.upstreamIdleTimeout
    }
}
