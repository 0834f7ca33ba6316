/// Why a model stopped, in the words of both dialects.
enum StopReason: Sendable {
    case end, length, toolCalls, filtered

    /// Source: https://docs.claude.com/en/api/handling-stop-reasons
    init(messages word: JSONString) {
        self =
            if word == "max_tokens" || word == "model_context_window_exceeded" {
                .length
            } else if word == "tool_use" {
                .toolCalls
            } else if word == "refusal" {
                .filtered
            } else {
                .end
            }
    }

    /// Source: https://platform.openai.com/docs/api-reference/chat
    init(chat word: JSONString) {
        self =
            if word == "length" {
                .length
            } else if word == "tool_calls" || word == "function_call" {
                .toolCalls
            } else if word == "content_filter" {
                .filtered
            } else {
                .end
            }
    }

    var chat: StaticString {
        switch self {
        case .end: #""stop""#
        case .length: #""length""#
        case .toolCalls: #""tool_calls""#
        case .filtered: #""content_filter""#
        }
    }

    var messages: StaticString {
        switch self {
        case .end: #""end_turn""#
        case .length: #""max_tokens""#
        case .toolCalls: #""tool_use""#
        case .filtered: #""refusal""#
        }
    }
}
