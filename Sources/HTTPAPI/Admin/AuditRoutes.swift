import Flows
import HTTPTypes
import Hummingbird
import Kernel
import NIOCore
import Tenancy

extension ControlAPI {
    /// Events that are read at once for an export.
    private static let exportPage = 500

    var auditRoutes: [Route] {
        [
            .admin(.get, "audit", .auditRead) { asked in
                let query = try asked.query("tenant", "limit", "after")
                return try .json(
                    await asked.control.auditEvents(of: query.identifier("tenant"), query.numberedPage()))
            },
            Route(
                .get, "/v1/admin/audit/export", .permission(.auditRead),
                .stream { asked in try await export(asked) }),
            .admin(.get, "audit/verify", .auditRead) { asked in
                let query = try asked.query("tenant")
                return try .json(await asked.control.verifyAudit(of: query.identifier("tenant")))
            },
        ]
    }

    /// One event a line, oldest first. A page is read when the one before is written, so a slow reader holds no more
    /// than one. The first is read before the answer begins: what is refused has its status. Before each of the others
    /// the caller is found anew, and the answer is cut off when the credential has ended or may no longer.
    private func export(_ asked: AdminRequest) async throws -> Response {
        let query = try asked.query("tenant", "limit", "after")
        let chain: TenantID? = try query.identifier("tenant")
        let limit = try query.integer("limit")
        if let limit { _ = try PageRequest(limit: limit) }
        let first = try await asked.control.exportAudit(
            of: chain, after: query.sequence() ?? 0, limit: limit ?? Self.exportPage)
        // Whoever named no chain stays in the one that it was.
        let own = chain ?? first.first?.tenant
        let body = ResponseBody { writer in
            var page = first
            while let last = page.last {
                try await writer.write(try Self.lines(page))
                guard limit == nil, page.count == Self.exportPage else { break }
                page = try await self.asked(asked.request, asked.context).control.exportAudit(
                    of: own, after: last.sequence, limit: Self.exportPage)
            }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok, headers: [.contentType: "application/x-ndjson", .cacheControl: "no-store"], body: body)
    }

    private static func lines(_ events: [AuditEventView]) throws -> ByteBuffer {
        var buffer = ByteBuffer()
        for event in events {
            buffer.writeBytes(try JSONBody.encode(event))
            buffer.writeInteger(UInt8(ascii: "\n"))
        }
        return buffer
    }
}
