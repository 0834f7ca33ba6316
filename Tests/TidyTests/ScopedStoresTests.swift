import Testing

@Suite("functions of stores that look across workspaces")
struct ScopedStoresTests {
    @Test("are the ones on the list, and no other is on it")
    func listIsExact() throws {
        let rule = try ScopedStores()
        let sources = try Repository().swiftSources()
        let stores = Set(sources.filter { $0.room == "Stores" }.map(\.path))
        let platform = ScopedStores.platformStores.map { "Sources/Stores/" + $0 + ".swift" }
        #expect(stores.isSuperset(of: platform))
        let found = sources.filter { !platform.contains($0.path) }.flatMap { rule.unscoped(in: $0) }
        #expect(Set(found) == Set(ScopedStores.exceptions.keys))
    }

    @Test("are told by what they take, and not by what they give to a caller's closure")
    func parameters() throws {
        let source = SwiftSource(
            path: "Sources/Stores/DatabaseThingStore.swift",
            text: """
                package func a(_ id: ThingID) async throws {}
                package func b(_ id: ThingID, in workspace: WorkspaceID) async throws {}
                package func c(
                    at now: Instant, audit: @Sendable (Workspace) -> AuditEntry
                ) async throws -> TenantID {}
                package func d(in tenant: TenantID?, _ uses: [KeyID: Instant]) {}
                package func e(_ uses: [KeyID: Instant]) {}
                package func f(_ keys: [APIKey]) {}
                func g() {}
                """)
        #expect(
            try ScopedStores().unscoped(in: source)
                == ["a(_:)", "c(at:audit:)", "e(_:)"].map { "DatabaseThingStore." + $0 })
    }
}
