import Flows
import Kernel
import Logging
import Metrics

/// Keeps a platform what its settings file declares: at the start, and whenever it is told to look again.
struct DeclarationUpkeep: Sendable {
    /// Another node may apply the same file at the same time, and be first with a step.
    private static let tries = 5
    private static let pause = Duration.milliseconds(200)

    /// In force since the start.
    let started: [EffectiveSetting]
    /// Reads settings anew, as the start did.
    let settings: @Sendable () -> ConfigurationReport
    let control: any Control
    let environment: [String: String]
    let folder: DataFolder
    let clock: any Clock
    let random: any RandomSource
    let logger: Logger

    /// Applies what the file declares now. What cannot be applied is logged, and everything stays as it was before the
    /// step that failed: a platform that serves is worth more than one that waits for its file to be mended.
    func apply() async {
        let gauge = Gauge(label: "volery_declaration_in_force")
        do {
            guard let path = settings().file else { return }
            let file = try DeclarationFile.read(path)
            guard !file.faults.isEmpty || !file.declaration.isEmpty else { return }
            let count = try await apply(file)
            gauge.record(1)
            logger.notice("the file's declarations are in force", metadata: ["file": "\(path)", "steps": "\(count)"])
        } catch {
            gauge.record(0)
            let problem = error as? Problem
            logger.error(
                "the file's declarations are not all in force",
                metadata: [
                    "error": "\(problem?.message ?? "\(error)")", "code": "\(problem?.code.rawValue ?? "none")",
                ])
        }
    }

    /// Says which settings are other than those that the platform began with.
    func noteSettings() {
        let report = settings()
        for fault in report.faults { logger.error("a setting is not usable", metadata: ["fault": "\(fault)"]) }
        guard report.faults.isEmpty else { return }
        let before = Dictionary(started.map { ($0.key, $0.value) }) { first, _ in first }
        for setting in report.effective where before[setting.key] != setting.value {
            logger.notice(
                "a setting changed; it takes effect at the next start", metadata: ["setting": "\(setting.key)"])
        }
    }

    private func apply(_ file: DeclarationFile) async throws -> Int {
        let work = try DeclarationWork(file, environment: environment, folder: folder, random: random)
        var count = 0
        for attempt in 1... {
            do {
                _ = try await work.apply(on: control, prunes: false) { step in
                    count += 1
                    logger.info("declared", metadata: ["step": "\(step.text)"])
                }
                return count
            } catch let problem as Problem where attempt < Self.tries && Self.mayPass(problem.code) {
                try await clock.sleep(for: Self.pause * attempt)
            }
        }
        return count
    }

    /// Whether somebody else's step may be the reason.
    private static func mayPass(_ code: ErrorCode) -> Bool {
        code == .alreadyExists || code == .conflict || code == .notFound
    }
}
