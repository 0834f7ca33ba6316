import CPostgres
import Database
import Kernel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One connection to the server. Belongs to one thread, which it blocks; only `cancelKey` is for others.
///
/// Every wait has a limit of our own behind the server's, so that a server that stops without a word, or a network that
/// swallows everything, ends in `.lost` and not in a thread that waits for ever.
final class PostgresConnection {
    /// How much later than the server's own time-out this side gives up.
    private static let grace: Duration = .seconds(3)

    let cancelKey: CancelKey?
    private(set) var isLost = false
    private(set) var lastAnswer: Duration
    private let handle: OpaquePointer
    private let clock: any Clock
    private let statementLimit: Duration?
    private var statements: StatementCache

    /// Connects, and sends the settings.
    /// - Parameters:
    ///   - settings: statements that make the session what it is.
    ///   - statementLimit: the server's time-out for a statement; nil waits for ever.
    init(
        _ location: PostgresLocation, settings: String, connectTimeout: Duration, statementLimit: Duration?,
        statements: Int, clock: any Clock
    ) throws(SessionFailure) {
        guard let handle = Self.connect(location.parameters(connectTimeout: connectTimeout)) else {
            throw .lost("out of memory")
        }
        self.handle = handle
        self.clock = clock
        self.statementLimit = statementLimit
        self.statements = StatementCache(capacity: statements)
        lastAnswer = clock.uptime
        cancelKey = CancelKey(handle)
        // libpq's own way is to print notices to standard error.
        PQsetNoticeProcessor(handle, { _, _ in }, nil)
        guard PQstatus(handle) == CONNECTION_OK, PQsetnonblocking(handle, 1) == 0 else { throw lost() }
        try command(settings)
    }

    deinit { PQfinish(handle) }

    private static func connect(_ parameters: [(keyword: String, value: String)]) -> OpaquePointer? {
        let keywords = parameters.map { strdup($0.keyword) }
        let values = parameters.map { strdup($0.value) }
        defer { for pointer in keywords + values { free(pointer) } }
        let keywordList = keywords.map { UnsafePointer($0) } + [nil]
        let valueList = values.map { UnsafePointer($0) } + [nil]
        return PQconnectdbParams(keywordList, valueList, 1)
    }

    var serverProcess: Int32 { PQbackendPID(handle) }

    var descriptor: Int32 { PQsocket(handle) }

    var isInTransaction: Bool { PQtransactionStatus(handle) == PQTRANS_INTRANS }

    /// Whether the connection still stands, as far as this machine knows, while nothing is asked. Costs no round trip.
    func stands() -> Bool {
        if isLost { return false }
        var poller = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
        // What comes without being asked for is a farewell, or the end; the rare rest is not worth telling apart.
        isLost = poll(&poller, 1, 0) != 0
        return !isLost
    }

    /// Runs statements without arguments, in one round trip.
    /// - Returns: the answer to the last one.
    @discardableResult
    func command(_ sql: String, within limit: Duration? = nil) throws(SessionFailure) -> QueryResult? {
        guard sql.withCString({ PQsendQuery(handle, $0) }) == 1 else { throw lost() }
        return try answers(until: deadline(limit)).last
    }

    func query(_ sql: String, _ values: [SQLValue]) throws(SessionFailure) -> QueryResult {
        try query(sql, Parameters(values))
    }

    /// Runs one statement with arguments, prepared once for each connection.
    /// - Parameter setting: set for this statement alone, in the same round trip and the same transaction.
    func query(
        _ sql: String, _ parameters: Parameters, setting: ScopeSetting? = nil
    ) throws(SessionFailure) -> QueryResult {
        let name = try prepared(sql, parameters.types)
        guard let setting else {
            try send(name, parameters)
            return try one(answers(until: deadline(nil)))
        }
        let value = try Parameters([.text(setting.name), .text(setting.value)])
        let setter = try prepared("SELECT set_config($1, $2, true)", value.types)
        guard PQenterPipelineMode(handle) == 1 else { throw lost() }
        try send(setter, value)
        try send(name, parameters)
        // Statements up to the next sync are one transaction, which ends with it.
        guard PQpipelineSync(handle) == 1 else { throw lost() }
        let result = try one(pipelineAnswers(until: deadline(nil)))
        guard PQexitPipelineMode(handle) == 1 else { throw lost() }
        return result
    }

    /// Prepares everything anew when it is asked for next.
    func forgetStatements() throws(SessionFailure) {
        statements.removeAll()
        try command("DEALLOCATE ALL")
    }

    private func prepared(_ sql: String, _ types: [Oid]) throws(SessionFailure) -> String {
        if let name = statements.name(of: sql, types) { return name }
        if let old = statements.evict() { try command("DEALLOCATE " + old) }
        let types = statements.types(for: sql, types)
        let name = statements.nextName()
        let sent = sql.withCString { PQsendPrepare(handle, name, $0, Int32(types.count), types) }
        guard sent == 1 else { throw lost() }
        _ = try one(answers(until: deadline(nil)))
        statements.add(sql, types, name: name)
        return name
    }

    private func send(_ name: String, _ parameters: Parameters) throws(SessionFailure) {
        let sent = parameters.withPointers { values, lengths, formats in
            PQsendQueryPrepared(handle, name, parameters.count, values, lengths, formats, 0)
        }
        guard sent == 1 else { throw lost() }
    }

    private func one(_ results: [QueryResult]) throws(SessionFailure) -> QueryResult {
        guard let result = results.last else { throw lost() }
        return result
    }
}

// MARK: - Waiting

extension PostgresConnection {
    private func deadline(_ limit: Duration?) -> Duration? {
        (limit ?? statementLimit).map { clock.uptime + $0 + Self.grace }
    }

    /// Every answer up to the end of what was asked.
    private func answers(until deadline: Duration?) throws(SessionFailure) -> [QueryResult] {
        var results: [QueryResult] = []
        while let result = try nextAnswer(until: deadline) { results.append(result) }
        return try checked(results)
    }

    /// The answers of a pipeline; it ends with a mark of its own, and each statement's answers with a nil.
    private func pipelineAnswers(until deadline: Duration?) throws(SessionFailure) -> [QueryResult] {
        var results: [QueryResult] = []
        while true {
            guard let result = try nextAnswer(until: deadline) else {
                if PQstatus(handle) != CONNECTION_OK { throw lost() }
                continue
            }
            if result.status == PGRES_PIPELINE_SYNC { break }
            // What follows a refused statement; the refusal itself came before.
            if result.status != PGRES_PIPELINE_ABORTED { results.append(result) }
        }
        // Its end belongs to it, and must be taken before the mode can be left.
        if results.contains(where: { $0.error != nil }) { PQexitPipelineMode(handle) }
        return try checked(results)
    }

    private func checked(_ results: [QueryResult]) throws(SessionFailure) -> [QueryResult] {
        let error = results.lazy.compactMap(\.error).first
        if PQstatus(handle) != CONNECTION_OK { throw lost(error) }
        lastAnswer = clock.uptime
        guard let error else { return results }
        if error.endsConnection { throw lost(error) }
        throw .refused(error)
    }

    private func nextAnswer(until deadline: Duration?) throws(SessionFailure) -> QueryResult? {
        while true {
            let flushed = PQflush(handle)
            guard flushed >= 0 else { throw lost() }
            if flushed == 0, PQisBusy(handle) == 0 { return PQgetResult(handle).map(QueryResult.init) }
            try waitForSocket(alsoToWrite: flushed == 1, until: deadline)
            guard PQconsumeInput(handle) == 1 else {
                // A farewell may have come before the end.
                let farewell = PQisBusy(handle) == 0 ? PQgetResult(handle).map(QueryResult.init)?.error : nil
                throw lost(farewell)
            }
        }
    }

    private func waitForSocket(alsoToWrite: Bool, until deadline: Duration?) throws(SessionFailure) {
        let events = Int16(POLLIN) | (alsoToWrite ? Int16(POLLOUT) : 0)
        var poller = pollfd(fd: PQsocket(handle), events: events, revents: 0)
        while true {
            var wait: Int32 = -1
            if let deadline {
                let left = deadline - clock.uptime
                guard left > .zero else {
                    isLost = true
                    throw .lost("the server did not answer in time")
                }
                wait = Int32(clamping: left.microseconds / 1000 + 1)
            }
            let ready = poll(&poller, 1, wait)
            if ready > 0 { return }
            if ready < 0, errno != EINTR { throw lost() }
        }
    }

    private func lost(_ error: ServerError? = nil) -> SessionFailure {
        isLost = true
        if let error, !error.message.isEmpty { return .lost(error.description) }
        let line = PQerrorMessage(handle).map { String(cString: $0) }?.onOneLine ?? ""
        return .lost(line.isEmpty ? "the connection was lost" : line)
    }
}

// MARK: - Notifications

extension PostgresConnection {
    /// Reads what has arrived.
    /// - Returns: channel and sender of every notification.
    func notifications() throws(SessionFailure) -> [(channel: String, sender: Int32)] {
        guard PQconsumeInput(handle) == 1 else { throw lost() }
        var found: [(channel: String, sender: Int32)] = []
        while let notification = PQnotifies(handle) {
            found.append((String(cString: notification.pointee.relname), notification.pointee.be_pid))
            PQfreemem(notification)
        }
        if PQstatus(handle) != CONNECTION_OK { throw lost() }
        return found
    }

    /// The name as the server reads it, also where it holds quotes.
    func quoted(_ identifier: String) throws(SessionFailure) -> String {
        guard let text = PQescapeIdentifier(handle, identifier, identifier.utf8.count) else { throw lost() }
        defer { PQfreemem(text) }
        return String(cString: text)
    }
}
