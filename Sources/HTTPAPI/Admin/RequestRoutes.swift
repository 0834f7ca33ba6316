import Flows
import HTTPTypes
import Kernel
import Tenancy

extension ControlAPI {
    /// What became of requests to models.
    var requestRoutes: [Route] {
        [
            Route(
                .get, "/v1/requests/:id/route", .permission(.usageRead, or: .inferenceExecute),
                .admin { asked in
                    _ = try asked.query()
                    return try .json(await asked.control.route(of: asked.identifier()))
                })
        ]
    }
}
