"""llama.cpp's server.

Source: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md (endpoints, errors, timings,
`--sse-ping-interval`); the error of a prompt that is too long: https://github.com/ggml-org/llama.cpp/pull/16486.
"""

from harness.upstream import Request

from .dialect import LIMIT, MARK, TOO_LONG, Event, Refusal
from .openai import STATUS, OpenAI, retry_fields, texts
from .turns import Turn

TYPES = {
    "bad-request": "invalid_request_error",
    "context": "exceed_context_size_error",
    "wrong-key": "authentication_error",
    "no-model": "not_found_error",
    "unavailable": "unavailable_error",
}


class LlamaCpp(OpenAI):
    name = "llama-cpp"
    key = "llama-server-api-key-66778899aabbccdd"
    identifier = "chatcmpl-XnPqVr0aQm3yGZ8dU5tWcKfLbH2sJe7i"
    ping = b":\n\n"
    thoughts = "reasoning_content"
    extra = {"system_fingerprint": "b6692-ca71fb9b"}
    tells_thought = False

    def model(self, scenario: str) -> str:
        return f"{scenario}.gguf"

    def scenario(self, model: str) -> str:
        return model.removesuffix(".gguf")

    def usage(self, turn: Turn) -> dict:
        total = turn.prompt + turn.answer
        usage = {"completion_tokens": turn.answer, "prompt_tokens": turn.prompt, "total_tokens": total}
        return usage | {"prompt_tokens_details": {"cached_tokens": turn.cached}}

    def timings(self, turn: Turn) -> dict:
        return {
            "cache_n": turn.cached,
            "prompt_n": turn.prompt - turn.cached,
            "prompt_ms": 30.958,
            "prompt_per_second": 32.3,
            "predicted_n": turn.answer,
            "predicted_ms": 661.064,
            "predicted_per_second": 52.9,
        }

    def whole(self, request: Request, turn: Turn) -> dict:
        return super().whole(request, turn) | {"timings": self.timings(turn)}

    def events(self, request: Request, turn: Turn) -> list[Event]:
        """The timings stand in the last chunk, whichever that is."""
        events = super().events(request, turn)
        events[-2].data["timings"] = self.timings(turn)
        return events

    def broken(self, request: Request) -> list[Event]:
        """Many of its releases name the line `error` here, and not `data`."""
        error = {"code": 500, "message": f"Compute error. {MARK}", "type": "server_error"}
        return [Event(error, field="error: ")]

    def refusal(self, kind: str) -> Refusal:
        status = STATUS[kind]
        message = self.words(kind)[0]
        type = TYPES.get(kind, "server_error")
        error: dict = {"code": int(status[:3]), "message": message, "type": type}
        if kind == "context":
            error |= {
                "message": "the request exceeds the available context size, try increasing it",
                "n_prompt_tokens": TOO_LONG,
                "n_ctx": LIMIT,
            }
        if kind == "unavailable":
            error["message"] = f"Loading model {MARK}"
        return Refusal(status, {"error": error}, fields=retry_fields(kind))

    def other(self, request: Request) -> dict | str | None:
        if request.path == "/tokenize":
            # Without a text it counts nothing, and finds nothing wrong with that.
            return {"tokens": list(range(len(str(request.json().get("content", ""))) // 4))}
        if request.path == "/apply-template":
            return {"prompt": f"<|im_start|>{texts(request)}<|im_end|>"}
        if request.path == "/props":
            return {"default_generation_settings": {"n_ctx": LIMIT}, "total_slots": 1, "chat_template": "…"}
        return {"status": "ok"} if request.path in ("/health", "/v1/health") else super().other(request)
