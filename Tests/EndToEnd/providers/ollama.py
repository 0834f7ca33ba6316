"""Ollama by its OpenAI-compatible endpoint.

Sources: https://docs.ollama.com/api/openai-compatibility (paths, supported fields),
https://docs.ollama.com/api/errors (errors, in a stream too); its `openai` package for the members of a chunk.
"""

from harness.upstream import Request

from .dialect import MARK, Event, Refusal
from .openai import STATUS, OpenAI, retry_fields
from .turns import Turn

TYPES = {"400": "invalid_request_error", "404": "not_found_error"}


class Ollama(OpenAI):
    name = "ollama"
    key = "ollama-behind-a-proxy-key-5544332211"
    identifier = "chatcmpl-738"
    thoughts = "reasoning"
    extra = {"system_fingerprint": "fp_ollama"}
    #: Its chunks all name the role.
    roles = False
    tells_cached = tells_thought = False

    def model(self, scenario: str) -> str:
        return f"{scenario}:latest"

    def scenario(self, model: str) -> str:
        return model.removesuffix(":latest")

    def usage(self, turn: Turn) -> dict:
        total = turn.prompt + turn.answer
        return {"prompt_tokens": turn.prompt, "completion_tokens": turn.answer, "total_tokens": total}

    def call_deltas(self, turn: Turn) -> list[dict]:
        """A call comes whole, in one chunk."""
        return [
            {"content": "", "tool_calls": [{"index": place} | self.call(call, place, "".join(call.pieces))]}
            for place, call in enumerate(turn.calls)
        ]

    def broken(self, request: Request) -> list[Event]:
        return [self.event({"error": f"an error was encountered while running the model: {MARK}"})]

    def refusal(self, kind: str) -> Refusal:
        message = self.words(kind)[0]
        if kind == "context":
            message = "the prompt is longer than the context window"
        if kind == "wrong-key":
            return Refusal(STATUS[kind], {"error": f"unauthorized {MARK}"})
        type = TYPES.get(STATUS[kind][:3], "api_error")
        error = {"message": message, "type": type, "param": None, "code": None}
        return Refusal(STATUS[kind], {"error": error}, fields=retry_fields(kind))

    def other(self, request: Request) -> dict | str | None:
        if request.path == "/api/version":
            return {"version": "0.12.6"}
        return "Ollama is running" if request.path == "/" else super().other(request)
