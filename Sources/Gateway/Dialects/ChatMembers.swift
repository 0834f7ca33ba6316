import Inference
import Kernel

/// The members of a chat request that a request for messages is made of; all others are judged here.
struct ChatMembers {
    private(set) var messages: JSONNode?
    private(set) var cap: JSONNode?
    private(set) var isStream: JSONNode?
    /// `temperature`, `top_p`, `top_k`: the same in both dialects.
    private(set) var sampling: [(name: StaticString, value: JSONNode)] = []
    private(set) var stop: JSONNode?
    private(set) var tools: JSONNode?
    private(set) var toolChoice: JSONNode?
    private(set) var allowsParallelCalls = true
    private(set) var format: JSONNode?
    private(set) var effort: JSONString?
    private(set) var thinking: JSONNode?
    private(set) var user: JSONString?
    private(set) var safetyUser: JSONString?
    private(set) var serviceTier: StaticString?
    private(set) var leftOut = LeftOut()

    init(_ root: JSONNode) throws(Problem) {
        // Null is what clients send for a member that they have not set.
        for (name, value) in root.members where !value.isNull { try take(name.text, value) }
    }

    private mutating func take(_ name: String, _ value: JSONNode) throws(Problem) {
        switch name {
        case "model", "stream_options": break
        case "messages": messages = value
        // The newer name wins where both stand, as at OpenAI.
        case "max_completion_tokens": cap = value
        case "max_tokens": cap = cap ?? value
        case "stream": isStream = value
        case "temperature": try temperature(value)
        case "top_p": sampling.append(("top_p", value))
        case "top_k": sampling.append(("top_k", value))
        case "stop": stop = value
        case "tools": tools = try value.array(name)
        case "tool_choice": toolChoice = value
        case "parallel_tool_calls": allowsParallelCalls = try value.flag(name)
        case "response_format": format = try value.object(name)
        case "reasoning_effort": effort = try value.text(name)
        case "thinking": thinking = try value.object(name)
        case "user": user = try value.text(name)
        case "safety_identifier": safetyUser = try value.text(name)
        case "service_tier": try serviceTier(value)
        default: try judge(name, value)
        }
    }

    private mutating func temperature(_ value: JSONNode) throws(Problem) {
        guard let number = value.number, (0...1).contains(number) else {
            throw Untranslatable.wrong(
                "temperature", "is out of the range that this model has",
                "Send a number from 0 to 1: the model is served over Anthropic's Messages API.")
        }
        sampling.append(("temperature", value))
    }

    private mutating func serviceTier(_ value: JSONNode) throws(Problem) {
        let tier = try value.text("service_tier")
        if tier == "auto" {
            serviceTier = #""auto""#
        } else if tier == "default" {
            serviceTier = #""standard_only""#
        } else {
            throw Untranslatable.problem("service_tier", over: .anthropic)
        }
    }

    /// What has no counterpart: fine where it asks for nothing, told where it is a hint, refused otherwise.
    private mutating func judge(_ name: String, _ value: JSONNode) throws(Problem) {
        let asksForNothing: Bool
        switch name {
        case "metadata", "prompt_cache_key", "prompt_cache_retention":
            if value.kind == .string || !value.isEmpty { leftOut.add(name) }
            return
        case "n": asksForNothing = value.integer == 1
        case "logprobs", "store", "echo": asksForNothing = value.boolean == false
        case "top_logprobs", "frequency_penalty", "presence_penalty": asksForNothing = value.number == 0
        case "logit_bias", "functions": asksForNothing = value.isEmpty && value.kind != .string
        case "modalities":
            asksForNothing = value.elements.allSatisfy { $0.string.map { $0 == "text" } ?? false } && !value.isEmpty
        case "verbosity": asksForNothing = value.string.map { $0 == "medium" } ?? false
        default: asksForNothing = false
        }
        guard !asksForNothing else { return }
        let hint = name == "functions" || name == "function_call" ? "Use `tools` and `tool_choice`." : nil
        throw Untranslatable.problem(name, over: .anthropic, hint: hint)
    }
}
