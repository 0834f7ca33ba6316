import Gateway

extension GatewayLimits {
    init(_ limits: Configuration.Limits) {
        self.init()
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
