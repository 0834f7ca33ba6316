import App
import Foundation
import Kernel
import TestKit
import Testing

@Suite struct BannerTests {
    private let token = "vk_0123456789_" + String(repeating: "a", count: 40)

    private func banner(
        key: Banner.Key, program: String = "volery", folder: String = "/home/ada/.volery",
        models: [Banner.Model]? = nil
    ) -> Banner {
        let echo = Banner.Model(name: "demo-echo", aliases: [], isReady: true, detail: nil)
        let real = Banner.Model(name: "smollm2", aliases: ["default"], isReady: false, detail: "fetching 12 of 93 MB")
        return Banner(
            program: program, version: "0.1.0", startSeconds: 0.42, folder: folder,
            isUsualFolder: folder == Configuration.usualDataDir(environment: ["HOME": "/home/ada"]),
            url: "http://127.0.0.1:8080", metricsURL: "http://127.0.0.1:9464/metrics", key: key,
            models: models ?? [echo, real], found: [], isLocal: true)
    }

    @Test("the first start shows the key, and commands that work as they are pasted")
    func firstStart() {
        let text = banner(key: .fresh(Secret(token))).text
        #expect(text.contains("http://127.0.0.1:8080/v1   (this machine only)"))
        #expect(text.contains("Bearer \(token)"))
        #expect(text.contains("shown once"))
        #expect(text.contains(#""model": "demo-echo""#))
        #expect(text.contains("smollm2 (also default): fetching 12 of 93 MB"))
        #expect(text.contains("  volery chat \""))
        #expect(text.contains("  volery doctor"))
        #expect(text.contains("ready in 0.5 s"))
    }

    @Test("later starts name the key's file and never the key")
    func laterStart() {
        let text = banner(key: .kept, folder: "/data/my folder").text
        #expect(!text.contains("vk_"))
        #expect(text.contains("in /data/my folder/initial-api-key"))
        #expect(text.contains("$(cat '/data/my folder/initial-api-key')"))
        #expect(text.contains("volery --data-dir '/data/my folder' chat"))
    }

    @Test("a folder of the usual name in another place is named in every command")
    func otherHome() {
        let text = banner(key: .kept, folder: "/srv/.volery").text
        #expect(text.contains("  volery --data-dir /srv/.volery doctor"))
    }

    @Test("commands begin with what the program is called, those that take something over too")
    func program() {
        var banner = banner(key: .elsewhere, program: "/opt/my tools/volery")
        banner.found = Adoptable.providerKeys(in: ["OPENROUTER_API_KEY": "x"])
        for words in ["keys create", "chat", "doctor", "providers add openrouter"] {
            #expect(banner.text.contains("'/opt/my tools/volery' \(words)"), "\(banner.text)")
        }
    }

    @Test(
        "the program goes by its name where the PATH leads to this very file, and else by its whole path",
        arguments: [
            ("volery", "/usr/bin", "volery"), (".build/release/volery", "/usr/bin", "/work/.build/release/volery"),
            ("./volery", "/usr/bin:/opt/bin", "/work/volery"), ("/opt/bin/volery", "/usr/bin:/opt/bin", "volery"),
            (".build/release/volery", "/opt/bin", "volery"),
            (".build/release/volery", "/old:/opt/bin", "/work/.build/release/volery"),
            (".build/release/volery", "bin:", "/work/.build/release/volery"),
        ])
    func programName(startedBy: String, search: String, expected: String) {
        let files = [
            "/work/.build/release/volery": "this", "/opt/bin/volery": "this", "/old/volery": "other",
            "/work/volery": "other",
        ]
        let name = ProgramName.called(startedBy: startedBy, search: search, workingDirectory: "/work") { files[$0] }
        #expect(name == expected)
    }

    @Test("a program's file is found through links, and what is no program is none")
    func programFile() throws {
        let folder = try TemporaryFolder()
        let link = folder.path("volery")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/bin/sh")
        #expect(ProgramName.file(link) == ProgramName.file("/bin/sh"))
        #expect(ProgramName.file(folder.path("nothing")) == nil)
    }

    @Test("the default model is tried where it is ready")
    func defaultModel() {
        let real = Banner.Model(name: "smollm2", aliases: ["default"], isReady: true, detail: nil)
        #expect(banner(key: .kept, models: [real]).text.contains(#""model": "default""#))
    }

    @Test("the default model is tried where only its process has yet to start")
    func startingDefaultModel() {
        let echo = Banner.Model(name: "demo-echo", aliases: [], isReady: true, detail: nil)
        let real = Banner.Model(
            name: "smollm2", aliases: ["default"], isReady: false, isStarting: true, detail: "starting")
        #expect(banner(key: .kept, models: [echo, real]).text.contains(#""model": "default""#))
    }

    @Test("a provider's key is named and its value never shown")
    func providerKeys() {
        let found = Adoptable.providerKeys(in: [
            "OPENROUTER_API_KEY": "sk-or-secret", "OPENAI_API_KEY": "", "PATH": "/bin",
        ])
        #expect(found.count == 1)
        var banner = banner(key: .kept)
        banner.found = found
        #expect(banner.text.contains("volery providers add openrouter --key-env OPENROUTER_API_KEY"))
        #expect(!banner.text.contains("sk-or-secret"))
    }

    @Test("the key of a provider whose API is not spoken is named and left alone")
    func unspokenProvider() {
        let found = Adoptable.providerKeys(in: ["FAL_KEY": "fal-secret"])
        #expect(found.map(\.adoption) == [.none("left alone: this version does not speak fal's API")])
    }
}
