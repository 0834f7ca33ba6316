import FoundationEssentials
import HTTPTypes
import Hummingbird
import Kernel
import NIOCore

/// A body that operators send. What is not among its fields is refused, since it would be a typing error in silence.
protocol AdminBody: Decodable {
    static var fields: [String] { get }
    /// Those that hold whole numbers: the decoder itself does not say which number does not fit.
    static var integers: [String] { get }
    /// What to write instead, by field.
    static var hints: [String: String] { get }
}

extension AdminBody {
    static var integers: [String] { [] }
    static var hints: [String: String] { [:] }
}

/// Reads and writes JSON.
enum JSONBody {
    /// Bytes of an administrative request's body.
    static let limit = 1 << 20

    /// - Parameter none: what an empty body means; nil where there must be one.
    static func read<Body: AdminBody>(
        _ type: Body.Type, from request: Request, otherwise none: Body? = nil
    ) async throws -> Body {
        if let type = request.headers[.contentType] {
            let essence = type.prefix { $0 != ";" }.trimmingSpaces().lowercased()
            guard essence == "application/json" else { throw Problem(.unsupportedMediaType, parameter: "content-type") }
        }
        let buffer = try await request.body.collect(upTo: limit)
        if buffer.readableBytes == 0, let none { return none }
        return try decode(type, from: Data(buffer.readableBytesView))
    }

    static func decode<Body: AdminBody>(_ type: Body.Type, from data: Data) throws(Problem) -> Body {
        let decoder = JSONDecoder()
        do {
            let members = try decoder.decode(Members.self, from: data)
            if let unknown = members.names.first(where: { !Body.fields.contains($0) }) {
                throw Problem(
                    .validationError, "The body has a field that is not known.", parameter: String(unknown.prefix(100)),
                    hint: "Known fields: \(Body.fields.joined(separator: ", ")).")
            }
            if let broken = Body.integers.first(where: { members.isFraction($0) }) {
                throw Problem(.validationError, "`\(broken)` must be an integer.", parameter: broken)
            }
            return try decoder.decode(Body.self, from: data)
        } catch let problem as Problem {
            throw problem
        } catch let error as DecodingError {
            throw problem(for: error, hints: Body.hints)
        } catch {
            throw notJSON
        }
    }

    static func response(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        Response(status: status, bytes: try encode(value), type: "application/json")
    }

    static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }

    private static var notJSON: Problem {
        Problem(
            .validationError, "The body is not valid JSON.", parameter: "body", hint: "Send a JSON object in UTF-8.")
    }

    private static func problem(for error: DecodingError, hints: [String: String]) -> Problem {
        switch error {
        case .keyNotFound(let key, let context):
            return field(context.codingPath + [key], "is missing", hints)
        case .valueNotFound(let type, let context):
            return field(context.codingPath, "must be \(jsonName(of: type)), not null", hints)
        case .typeMismatch(let type, let context):
            guard !context.codingPath.isEmpty else { return notObject }
            return field(context.codingPath, "must be \(jsonName(of: type))", hints)
        case .dataCorrupted(let context):
            return context.codingPath.isEmpty
                ? notJSON : field(context.codingPath, "has a value that is not allowed", hints)
        @unknown default:
            return notJSON
        }
    }

    private static var notObject: Problem {
        Problem(.validationError, "The body must be a JSON object.", parameter: "body")
    }

    private static func field(_ path: [any CodingKey], _ complaint: String, _ hints: [String: String]) -> Problem {
        var text = ""
        for key in path {
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += text.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
        return Problem(
            .validationError, "`\(text)` \(complaint).", parameter: text,
            hint: path.first.flatMap { hints[$0.stringValue] })
    }

    private static func jsonName(of type: any Any.Type) -> String {
        switch type {
        case is String.Type: "a string"
        case is any FixedWidthInteger.Type: "an integer"
        case is Bool.Type: "true or false"
        case is [String].Type, is [Any].Type: "an array"
        case is [String: Any].Type: "an object"
        default: "of another type"
        }
    }
}

/// The names of an object's members, and the values of those that are numbers.
private struct Members: Decodable {
    let names: [String]
    private let numbers: [String: Double]

    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Name.self)
        names = container.allKeys.map(\.stringValue).sorted()
        var numbers: [String: Double] = [:]
        for key in container.allKeys {
            if let number = try? container.decode(Double.self, forKey: key) { numbers[key.stringValue] = number }
        }
        self.numbers = numbers
    }

    /// Whether the member is a number that no integer equals.
    func isFraction(_ name: String) -> Bool { numbers[name].map { Int(exactly: $0) == nil } ?? false }
}

extension Substring {
    fileprivate func trimmingSpaces() -> Substring {
        var text = drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }
}
