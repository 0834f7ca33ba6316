/// An amount of the Unified Metering Unit, in millionths. The price book's conversion table makes it from usage.
public struct UMU: Hashable, Sendable, Comparable {
    public let millionths: Int64

    public enum Failure: Error, Equatable { case overflow }

    public init(millionths: Int64) { self.millionths = millionths }

    public static func < (left: UMU, right: UMU) -> Bool { left.millionths < right.millionths }

    public func adding(_ other: UMU) throws(Failure) -> UMU {
        let (sum, overflow) = millionths.addingReportingOverflow(other.millionths)
        guard !overflow else { throw .overflow }
        return UMU(millionths: sum)
    }

    /// What `units` of something cost when `per` of it cost this much, through 128 bits, rounded half to even.
    public func times(_ units: Int64, per: Int64) throws(Failure) -> UMU {
        guard let product = multiplyRounding(millionths, units, over: per) else { throw .overflow }
        return UMU(millionths: product)
    }
}
