import Fleet
import Flows
import Inference
import Kernel
import Tenancy

extension StorageParts {
    /// What `ControlFlow` works with over this database.
    /// - Parameters:
    ///   - verifier: of the platform that runs here; nil without one.
    ///   - revocations: likewise.
    ///   - money: likewise.
    ///   - health: what its router sees.
    func control(
        registry: RegistryRefresh, verifier: KeyVerifier? = nil, revocations: (any RevocationListener)? = nil,
        money: MoneyParts? = nil, clock: any Clock, ids: IDSource, random: any RandomSource,
        health: @escaping @Sendable (DeploymentID) -> DeploymentHealth? = { _ in nil },
        runtimes: @escaping @Sendable () async -> [ModelServiceStatus]
    ) -> ControlParts {
        ControlParts(
            home: workspace,
            stores: ControlStores(
                keys: keys, tenants: tenants, workspaces: workspaces, users: users, members: members, rules: rules,
                audit: audit, providers: providers, secrets: secrets, deployments: deployments, routings: routings,
                usage: usage, routes: routes),
            money: money ?? self.money.control(), hasher: hasher, sealer: platformKeys.ring, codes: codes,
            verification: verification, verifier: verifier,
            revocations: revocations, registry: registry, runtimes: runtimes, health: health, clock: clock, ids: ids,
            random: random)
    }

    /// What people may do, as it stands in this database.
    var directory: PrincipalDirectory {
        PrincipalDirectory(users: users, members: members, tenants: tenants, workspaces: workspaces, rules: rules)
    }
}
