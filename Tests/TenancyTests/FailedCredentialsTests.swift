import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct FailedCredentialsTests {
    private let clock = ManualClock()

    private func make(_ perMinute: Int, capacity: Int? = nil) -> FailedCredentials {
        var limits = FailedCredentials.Limits(perMinute: perMinute)
        if let capacity { limits.capacity = capacity }
        return FailedCredentials(clock: clock, limits: limits)
    }

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test("an address may fail so often at once, and then as often as its measure refills")
    func bucket() throws {
        let failures = make(20)
        let address = try address("192.0.2.1")
        for _ in 0..<20 {
            #expect(failures.refusal(for: address) == nil)
            failures.note(from: address)
        }
        let refusal = try #require(failures.refusal(for: address))
        #expect(refusal.code == .rateLimited)
        #expect(refusal.retryAfter == 3)
        clock.advance(by: .seconds(3))
        #expect(failures.refusal(for: address) == nil)
        failures.note(from: address)
        #expect(failures.refusal(for: address) != nil)
        clock.advance(by: .seconds(3600))
        for _ in 0..<20 { failures.note(from: address) }
        #expect(failures.refusal(for: address) != nil)
        #expect(failures.failures == 41)
        #expect(failures.refusals == 3)
    }

    @Test("a hash holds a place while it runs, keeps it when it was wrong, and gives it back when it was not")
    func hashes() throws {
        let failures = make(2)
        let address = try address("192.0.2.1")
        #expect(failures.beginHash(for: address) == nil)
        #expect(failures.beginHash(for: address) == nil)
        #expect(failures.beginHash(for: address)?.code == .overloaded)
        #expect(failures.beginHash(for: try self.address("192.0.2.2")) == nil)
        failures.endHash(for: address, .right)
        failures.endHash(for: address, .none)
        #expect(failures.failures == 0)
        #expect(failures.beginHash(for: address) == nil)
        #expect(failures.beginHash(for: address) == nil)
        failures.endHash(for: address, .wrong)
        #expect(failures.beginHash(for: address)?.code == .overloaded)
        failures.endHash(for: address, .unknown)
        #expect(failures.beginHash(for: address)?.code == .rateLimited)
        #expect(failures.failures == 1)
        #expect(failures.refusals == 3)
    }

    @Test("one address does not use up another's measure; a /64 of IPv6 is one")
    func sources() throws {
        let failures = make(1)
        failures.note(from: try address("2001:db8::1"))
        failures.note(from: try address("192.0.2.1"))
        #expect(failures.refusal(for: try address("2001:db8::ffff:2")) != nil)
        #expect(failures.refusal(for: try address("2001:db8:0:1::1")) == nil)
        #expect(failures.refusal(for: try address("192.0.2.1")) != nil)
        #expect(failures.refusal(for: try address("192.0.2.2")) == nil)
        #expect(failures.refusal(for: nil) == nil)
    }

    @Test("failures that were under way at once shut an address out for two minutes at most")
    func debt() throws {
        let failures = make(10)
        let address = try address("192.0.2.1")
        for _ in 0..<1000 { failures.note(from: address) }
        clock.advance(by: .seconds(60))
        #expect(failures.refusal(for: address) != nil)
        clock.advance(by: .seconds(60))
        #expect(failures.refusal(for: address) == nil)
    }

    @Test("with the limit 0 nobody is refused, and failures are counted all the same")
    func unlimited() throws {
        let failures = make(0)
        let address = try address("192.0.2.1")
        for _ in 0..<1000 { failures.note(from: address) }
        #expect(failures.refusal(for: address) == nil)
        #expect(failures.failures == 1000)
    }

    @Test("a flood of addresses does not wash away the one that failed most")
    func bounded() throws {
        let failures = make(5, capacity: 64)
        let worst = try address("192.0.2.1")
        for _ in 0..<10 { failures.note(from: worst) }
        for number in 0..<1000 {
            failures.note(from: try address("10.0.\(number / 250).\(number % 250)"))
        }
        #expect(failures.refusal(for: worst) != nil)
    }
}
