import Inference

@testable import Journal

extension SegmentScan.Frame {
    /// What becomes a row, where everything was read.
    var row: UsageRecord? {
        switch record {
        case .close(let row), .settled(let row): row
        case .open, .progress, .seal, nil: nil
        }
    }
}
