/// The API's description, as it stood when this binary was built.
package enum BundledAPI {
    package static func description() -> [UInt8] { PackageResources.volery_yaml }
}
