import Journal

extension SegmentedJournal.Limits {
    init(_ settings: Configuration.JournalSettings) {
        self.init()
        mode = settings.sync == .strict ? .strict : .group
        maximumBytes = settings.maximumBytes
        minimumFreeBytes = settings.minimumFreeBytes
    }
}
