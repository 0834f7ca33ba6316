import Inference
import Kernel

/// The members of a request for messages that a chat request is made of; all others are judged here.
struct MessagesMembers {
    private(set) var messages: JSONNode?
    private(set) var system: JSONNode?
    private(set) var cap: JSONNode?
    private(set) var isStream = false
    /// `temperature`, `top_p`, `top_k`: the same in both dialects.
    private(set) var sampling: [(name: StaticString, value: JSONNode)] = []
    private(set) var stop: JSONNode?
    private(set) var tools: JSONNode?
    private(set) var toolChoice: JSONNode?
    private(set) var schema: JSONNode?
    private(set) var effort: StaticString?
    private(set) var user: JSONString?
    private(set) var isStandardTier = false
    private(set) var leftOut = LeftOut()

    init(_ root: JSONNode, _ terms: UpstreamTerms) throws(Problem) {
        // Null is what clients send for a member that they have not set.
        for (name, value) in root.members where !value.isNull { try take(name.text, value, terms) }
    }

    private mutating func take(_ name: String, _ value: JSONNode, _ terms: UpstreamTerms) throws(Problem) {
        switch name {
        case "model": break
        case "messages": messages = value
        case "system": system = value
        case "max_tokens": cap = value
        case "stream": isStream = try value.flag(name)
        case "temperature": sampling.append(("temperature", value))
        case "top_p": sampling.append(("top_p", value))
        case "top_k":
            guard terms.takesTopK else { throw Untranslatable.problem(name, over: .openAI) }
            sampling.append(("top_k", value))
        case "stop_sequences": if !(try value.array(name).isEmpty) { stop = value }
        case "tools": tools = try value.array(name)
        case "tool_choice": toolChoice = try value.object(name)
        case "metadata": try metadata(value)
        case "thinking": try thinking(value)
        case "output_config": try outputConfig(value)
        case "output_format": schema = try Self.schema(value, name)
        case "service_tier": try serviceTier(value)
        // A breakpoint for the whole prompt: what is cached changes no answer.
        case "cache_control": leftOut.add(name)
        case "mcp_servers" where value.kind == .array && value.isEmpty: break
        default: throw Untranslatable.problem(name, over: .openAI)
        }
    }

    private mutating func metadata(_ value: JSONNode) throws(Problem) {
        for (name, value) in try value.object("metadata").members where !value.isNull {
            guard name == "user_id" else { throw Untranslatable.problem("metadata.\(name.text)", over: .openAI) }
            user = try value.text("metadata.user_id")
        }
    }

    private mutating func serviceTier(_ value: JSONNode) throws(Problem) {
        let tier = try value.text("service_tier")
        if tier == "standard_only" {
            isStandardTier = true
        } else if !(tier == "auto") {
            throw Untranslatable.problem("service_tier", over: .openAI)
        }
    }

    // MARK: Thinking and format

    /// How many tokens may be thought becomes how hard to think: chat has no number for it.
    private mutating func thinking(_ value: JSONNode) throws(Problem) {
        switch value.string("type")?.text {
        case "enabled":
            guard let budget = value["budget_tokens"]?.integer else {
                throw Untranslatable.wrong(
                    "thinking.budget_tokens", "is missing or no whole number", "Send how many tokens may be thought.")
            }
            // What was said in so many words wins.
            effort = effort ?? (budget <= 4096 ? #""low""# : budget <= 16384 ? #""medium""# : #""high""#)
        case "disabled", "adaptive": break
        default:
            throw Untranslatable.wrong("thinking.type", "is not known", "Send `enabled`, `adaptive` or `disabled`.")
        }
        for (name, _) in value.members where !(name == "type") && !(name == "budget_tokens") {
            // Any other name is the caller's own, and stands in a header field: only one that is known is repeated.
            leftOut.add(name == "display" ? "thinking.display" : "thinking")
        }
    }

    private mutating func outputConfig(_ value: JSONNode) throws(Problem) {
        for (name, value) in try value.object("output_config").members where !value.isNull {
            switch name.text {
            case "effort": effort = try Self.effort(try value.text("output_config.effort").text)
            case "format": schema = try Self.schema(value, "output_config.format")
            case let other: throw Untranslatable.problem("output_config.\(other)", over: .openAI)
            }
        }
    }

    private static func effort(_ word: String) throws(Problem) -> StaticString {
        switch word {
        case "low": #""low""#
        case "medium": #""medium""#
        case "high": #""high""#
        // The most that chat has a word for.
        case "xhigh", "max": #""xhigh""#
        default:
            throw Untranslatable.wrong(
                "output_config.effort", "is not known", "Send `low`, `medium`, `high`, `xhigh` or `max`.")
        }
    }

    private static func schema(_ format: JSONNode, _ path: String) throws(Problem) -> JSONNode {
        guard let type = format.string("type"), type == "json_schema" else {
            throw Untranslatable.problem(path + ".type", over: .openAI)
        }
        guard let schema = format["schema"], schema.kind == .object else {
            throw Untranslatable.wrong(path + ".schema", "is missing", "Send the JSON schema of the answer.")
        }
        return schema
    }
}
