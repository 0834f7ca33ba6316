"""vLLM's OpenAI-compatible server.

Sources: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html (endpoints, extra parameters, tokenizer),
https://docs.vllm.ai/en/latest/features/reasoning_outputs.html (`reasoning_content`),
https://docs.vllm.ai/en/latest/design/metrics.html (metrics); its `ErrorResponse` and `StreamOptions` models.
"""

from harness.upstream import Request

from .dialect import LIMIT, MARK, TOO_LONG, Event, Refusal
from .openai import STATUS, OpenAI, retry_fields, texts
from .turns import Turn

TYPES = {"4": "BadRequestError", "401": "AuthenticationError", "404": "NotFoundError", "5": "InternalServerError"}


class VLLM(OpenAI):
    name = "vllm"
    key = "token-of-this-vllm-server-9f8e7d6c5b4a"
    identifier = "chatcmpl-4d3c2b1a09f8e7d6c5b4a39281706f5e"
    thoughts = "reasoning_content"
    extra = {"kv_transfer_params": None}
    tells_thought = False

    def model(self, scenario: str) -> str:
        return f"acme/{scenario}"

    def scenario(self, model: str) -> str:
        return model.removeprefix("acme/")

    def usage(self, turn: Turn) -> dict:
        usage = {
            "prompt_tokens": turn.prompt,
            "total_tokens": turn.prompt + turn.answer,
            "completion_tokens": turn.answer,
            "prompt_tokens_details": None,
        }
        # Told by a server with --enable-prompt-tokens-details alone.
        return usage | {"prompt_tokens_details": {"cached_tokens": turn.cached}} if turn.cached else usage

    def finish(self, turn: Turn) -> dict:
        return {"finish_reason": turn.finish, "stop_reason": None}

    def events(self, request: Request, turn: Turn) -> list[Event]:
        events = super().events(request, turn)
        if not (request.json().get("stream_options") or {}).get("continuous_usage_stats"):
            return events
        # Each chunk then tells what was counted until it.
        for count, event in enumerate(events):
            if isinstance(event.data, dict) and event.data["choices"]:
                total = turn.prompt + count
                event.data["usage"] = {
                    "prompt_tokens": turn.prompt,
                    "total_tokens": total,
                    "completion_tokens": count,
                }
        return events

    def error(self, message: str, status: int) -> dict:
        type = next((name for prefix, name in reversed(TYPES.items()) if str(status).startswith(prefix)), "Error")
        return {"error": {"message": message, "type": type, "param": None, "code": status}}

    def broken(self, request: Request) -> list[Event]:
        """Its generator reports what it caught, and ends as always."""
        return [self.event(self.error(f"EngineCore encountered an issue. {MARK}", 500)), self.event("[DONE]")]

    def refusal(self, kind: str) -> Refusal:
        message = self.words(kind)[0]
        if kind == "context":
            message = (
                f"This model's maximum context length is {LIMIT} tokens. However, you requested {TOO_LONG} tokens "
                "in the messages, Please reduce the length of the messages."
            )
        if kind == "wrong-key":
            return Refusal(STATUS[kind], {"error": "Unauthorized"})
        return Refusal(STATUS[kind], self.error(message, int(STATUS[kind][:3])), fields=retry_fields(kind))

    def other(self, request: Request) -> dict | str | None:
        if request.path == "/tokenize":
            tokens = list(range(len(texts(request)) // 4))
            return {"count": len(tokens), "max_model_len": LIMIT, "tokens": tokens, "token_strs": None}
        if request.path == "/metrics":
            return '# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{model_name="good"} 0.0\n'
        return "" if request.path == "/health" else super().other(request)
