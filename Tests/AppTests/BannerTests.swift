import App
import Kernel
import Testing

@Suite struct BannerTests {
    private let token = "vk_0123456789_" + String(repeating: "a", count: 40)

    private func banner(
        key: Banner.Key, folder: String = "/home/ada/.volery", models: [Banner.Model]? = nil
    ) -> Banner {
        let echo = Banner.Model(name: "demo-echo", aliases: [], isReady: true, detail: nil)
        let real = Banner.Model(name: "smollm2", aliases: ["default"], isReady: false, detail: "fetching 12 of 93 MB")
        return Banner(
            version: "0.1.0", startSeconds: 0.42, folder: folder, url: "http://127.0.0.1:8080",
            metricsURL: "http://127.0.0.1:9464/metrics", key: key, models: models ?? [echo, real], found: [],
            isLocal: true)
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
        let found = Adoptable.providerKeys(in: ["ANTHROPIC_API_KEY": "sk-ant-secret"])
        #expect(found.map(\.command) == ["left alone: this version does not speak Anthropic's API"])
    }
}
