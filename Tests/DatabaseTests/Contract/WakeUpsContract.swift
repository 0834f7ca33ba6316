import Database
import Kernel
import PostgresEngine
import TestKit
import Testing

@Suite(.timeLimit(.minutes(10))) struct WakeUpsContract {
    private static let jobs = Topic("jobs")
    private static let mail = Topic("mail")

    private func open(_ url: String) throws -> PostgresWakeUps {
        PostgresWakeUps(
            try PostgresLocation(Secret(url)), clock: SystemClock(), random: SystemRandom(), logger: testLogger)
    }

    /// Counts what arrives, until the stream ends.
    private static func count(_ stream: AsyncStream<Void>, _ count: Shared<Int>) async {
        for await _ in stream { count.update { $0 += 1 } }
    }

    @Test("in one process, whoever waits on the topic is woken, and nobody else; closing ends the wait")
    func local() async throws {
        let wakeUps = LocalWakeUps()
        let (jobs, mail) = (Shared(0), Shared(0))
        let (first, second) = (wakeUps.wakeUps(on: Self.jobs), wakeUps.wakeUps(on: Self.mail))
        for _ in 0..<10 { wakeUps.wake(Self.jobs) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await Self.count(first, jobs) }
            group.addTask { await Self.count(second, mail) }
            try await eventually("woken") { jobs.value > 0 }
            wakeUps.close()
            try await group.waitForAll()
        }
        #expect(jobs.value == 1, "ten that nobody took yet are one")
        #expect(mail.value == 0)
        #expect(wakeUps.topics.isEmpty)
    }

    @Test(
        "a node wakes another, by topic, and goes on after its connections were ended",
        arguments: DatabaseAdapter.postgres)
    func nodes(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            let url = try #require(test.url)
            let (here, there) = (try open(url), try open(url))
            let (jobs, mail) = (Shared(0), Shared(0))
            let (first, second) = (there.wakeUps(on: Self.jobs), there.wakeUps(on: Self.mail))
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await Self.count(first, jobs) }
                group.addTask { await Self.count(second, mail) }
                // One for each that came before it could listen.
                try await eventually("it listens") { jobs.value > 0 && mail.value > 0 }
                let before = mail.value
                for _ in 1...3 {
                    let seen = jobs.value
                    here.wake(Self.jobs)
                    try await eventually("woken") { jobs.value > seen }
                }
                #expect(mail.value == before)
                let seen = (jobs.value, mail.value)
                try await test.database.execute(
                    .schema,
                    """
                    SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
                    WHERE (query LIKE 'LISTEN%' OR query LIKE '%pg_notify%') AND pid <> pg_backend_pid()
                    """, [])
                // What was said meanwhile is lost, so everybody is woken.
                try await eventually("all are woken") { jobs.value > seen.0 && mail.value > seen.1 }
                let again = jobs.value
                try await eventually("woken by the other node again") {
                    here.wake(Self.jobs)
                    return jobs.value > again
                }
                here.close()
                there.close()
                try await group.waitForAll()
            }
        }
    }
}
