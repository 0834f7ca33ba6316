import Foundation
import Kernel
import Testing

@Suite struct InstantTextTests {
    @Test("the text is what Foundation writes, over four centuries", arguments: [1, 2, 3] as [UInt64])
    func agreesWithFoundation(seed: UInt64) {
        var state = seed
        for _ in 0..<2000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let seconds = Int64(state >> 31) - 2_000_000_000
            let text = Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
            #expect("\(Instant(microseconds: seconds * 1_000_000))" == text.dropLast() + ".000Z", "seed \(seed)")
        }
    }

    @Test(
        "the milliseconds are cut, not rounded, also before 1970",
        arguments: [
            (1_534_999, "1970-01-01T00:00:01.534Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000Z"),
        ])
    func milliseconds(microseconds: Int64, text: String) {
        #expect(Instant(microseconds: microseconds).description == text)
    }
}
