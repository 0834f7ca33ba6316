import Journal

extension SegmentedJournal.Limits {
    init(_ settings: Configuration.JournalSettings) {
        self.init()
        mode = settings.sync == .strict ? .strict : .group
        maximumBytes = settings.maximumBytes
        minimumFreeBytes = settings.minimumFreeBytes
    }
}

extension JournalShipper.Limits {
    init(_ settings: Configuration.JournalSettings) {
        self.init()
        interval = settings.interval
    }
}
