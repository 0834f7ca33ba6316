import App
import Foundation
import Kernel
import TestKit
import Testing

@Suite struct DataFolderTests {
    let temporary: TemporaryFolder
    let folder: DataFolder

    init() throws {
        temporary = try TemporaryFolder()
        folder = DataFolder(temporary.path("a/b"))
    }

    private func mode(of path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    @Test("the folder is made for its owner only, and making it again changes nothing")
    func create() throws {
        #expect(!folder.exists)
        try folder.create()
        try folder.create()
        #expect(try mode(of: folder.path) == 0o700)
    }

    @Test("a folder below a file cannot be made, and the reason is said")
    func notAFolder() throws {
        try DataFolder.write("x", to: temporary.path("file"))
        let problem = try #require(throws: Problem.self) { try DataFolder(temporary.path("file/below")).create() }
        #expect(problem.code == .storageUnavailable)
        #expect(problem.message.contains(temporary.path("file/below")))
    }

    @Test("a secret's file has mode 0600 and is replaced whole")
    func secretFiles() throws {
        try folder.create()
        let file = FirstKeyFile(folder)
        #expect(try file.read() == nil)
        try file.write(Secret("vk_one"))
        try file.write(Secret("vk_two"))
        #expect(try file.read() == "vk_two")
        #expect(try String(contentsOfFile: folder.firstKeyFile, encoding: .utf8) == "vk_two\n")
        #expect(try mode(of: folder.firstKeyFile) == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["initial-api-key"])
    }

    @Test("what a crash left of a write does not stand in the way of the next")
    func leftOver() throws {
        try folder.create()
        try "half".write(toFile: folder.firstKeyFile + ".new", atomically: false, encoding: .utf8)
        try FirstKeyFile(folder).write(Secret("whole"))
        #expect(try FirstKeyFile(folder).read() == "whole")
    }

    @Test("the operator token is made once, at random, and a damaged one is made anew")
    func operatorToken() throws {
        try folder.create()
        #expect(try OperatorToken.read(in: folder) == nil)
        let token = try OperatorToken.ensure(in: folder, random: SeededRandom(seed: 1))
        #expect(try OperatorToken.ensure(in: folder, random: SeededRandom(seed: 2)) == token)
        #expect(token.reveal().hasPrefix("vo_") && token.reveal().count == 43)
        #expect(try mode(of: folder.operatorTokenFile) == 0o600)
        try DataFolder.write("", to: folder.operatorTokenFile)
        #expect(try OperatorToken.read(in: folder) == nil)
        #expect(try OperatorToken.ensure(in: folder, random: SeededRandom(seed: 2)) != token)
    }

    @Test("one process at a time holds the folder")
    func lock() throws {
        try folder.create()
        let lock = try #require(try FolderLock.take(in: folder))
        #expect(try FolderLock.take(in: folder) == nil)
        lock.release()
        #expect(try FolderLock.take(in: folder) != nil)
    }

    @Test("the platform's file says how to reach it, and one that cannot be read is none")
    func platformFile() throws {
        try folder.create()
        #expect(try PlatformFile.read(in: folder) == nil)
        let file = PlatformFile(
            pid: 7, url: PlatformFile.url(host: "0.0.0.0", port: 8080), metricsURL: nil, version: "0.1.0",
            started: Instant(microseconds: 1_795_248_000_125_000), database: "PostgreSQL at h:1/d")
        try file.write(in: folder)
        #expect(try PlatformFile.read(in: folder) == file)
        try DataFolder.write(
            #"{"pid": 7, "url": "http://h", "version": "0.1.0", "started": "2026-11-21T08:00:00.125Z"}"#,
            to: folder.platformFile)
        #expect(try PlatformFile.read(in: folder)?.pid == 7, "an older version's names no database")
        #expect(file.url == "http://127.0.0.1:8080")
        #expect(PlatformFile.url(host: "::", port: 1) == "http://[::1]:1")
        #expect(PlatformFile.url(host: "fe80::2", port: 1) == "http://[fe80::2]:1")
        try DataFolder.write("{", to: folder.platformFile)
        #expect(try PlatformFile.read(in: folder) == nil)
    }
}
