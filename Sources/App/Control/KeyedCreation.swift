import Cryptography
import Flows
import FoundationEssentials
import Kernel
import Logging
import Tenancy

/// Makes a key once for each idempotency key where no platform runs: as `POST /v1/admin/keys` does with that header,
/// and over the same records.
struct KeyedCreation {
    private static let path = "/v1/admin/keys"

    let control: ControlFlow
    let store: any IdempotencyStore
    let clock: any Clock
    let ids: IDSource
    let logger: Logger

    func create(_ request: NewKey, idempotencyKey: String) async throws -> CreatedKey {
        let flow = IdempotencyFlow(store: store, digest: SHA256RequestDigest(), clock: clock, logger: logger)
        let keyed = try flow.request(
            of: .platformOperator, workspace: nil, method: "POST", pattern: Self.path, path: Self.path,
            keyText: idempotencyKey, body: try RemoteControl.encode(request))
        let result = try await flow.run(keyed, within: IdempotencyFlow.controlLimit) { [control, ids] in
            let created = try await control.createKey(request)
            let repeated = Problem(
                .idempotencyConflict,
                "A request with this idempotency key made the key \(created.view.id); its secret was shown once.",
                parameter: "Idempotency-Key",
                hint: "Use that secret. If it is lost, revoke the key and make another with a new idempotency key.",
                members: ["key_id": created.view.id.description])
            return .kept(
                created,
                StoredAnswer(
                    status: repeated.status, contentType: ProblemBody.detailsContentType,
                    body: ProblemBody.details(repeated, request: ids.next())))
        }
        switch result {
        case .carriedOut(let created, _): return created
        case .replayed(let answer): throw ProblemBody.read(answer.body) ?? Problem(.idempotencyConflict)
        }
    }
}
