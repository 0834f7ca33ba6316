"""OpenRouter.

Sources: https://openrouter.ai/docs/api/reference/streaming (comments, errors inside a stream),
https://openrouter.ai/docs/api/reference/errors-and-debugging (shape of errors),
https://openrouter.ai/docs/use-cases/usage-accounting (`usage.cost`, `cost_details`),
https://openrouter.ai/docs/app-attribution (`HTTP-Referer`, `X-Title`).
"""

from harness.upstream import Request

from .dialect import LIMIT, MARK, TOO_LONG, Event, Refusal
from .openai import STATUS, OpenAI, retry_fields
from .turns import Turn

#: What a call costs, in credits; a credit is a dollar.
COST = 0.00014


class OpenRouter(OpenAI):
    name = "openrouter"
    base = "/api/v1"
    path = "/api/v1/chat/completions"
    key = "sk-or-v1-0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978"
    identifier = "gen-1778031306-UD7bR0I1JNCsPvVzlXat"
    ping = b": OPENROUTER PROCESSING\n\n"
    thoughts = "reasoning"
    always_usage = True
    extra = {"provider": "Azure", "system_fingerprint": None}
    roles = False

    def model(self, scenario: str) -> str:
        return f"acme/{scenario}"

    def scenario(self, model: str) -> str:
        return model.removeprefix("acme/")

    def finish(self, turn: Turn) -> dict:
        native = "max_output_tokens" if turn.finish == "length" else turn.finish
        return {"finish_reason": turn.finish, "native_finish_reason": native}

    def usage(self, turn: Turn) -> dict:
        details = {"upstream_inference_cost": None, "upstream_inference_prompt_cost": 0.00004}
        return super().usage(turn) | {"cost": COST, "is_byok": False, "cost_details": details}

    def broken(self, request: Request) -> list[Event]:
        """The chunk has an error beside its choices, and the stream still says `[DONE]`."""
        error = {"code": 502, "message": f"Provider disconnected. {MARK}", "metadata": {"provider_name": "Azure"}}
        chunk = self.chunk(request, {"role": "assistant", "content": ""}, finish_reason="error")
        return [self.event(chunk | {"error": error}), self.event("[DONE]")]

    def refusal(self, kind: str) -> Refusal:
        message = self.words(kind)[0]
        if kind == "context":
            message = (
                f"This endpoint's maximum context length is {LIMIT} tokens. However, you requested about {TOO_LONG} "
                "tokens (8901 of text input, 100 in the output)."
            )
        error = {"code": int(STATUS[kind][:3]), "message": message, "metadata": {"raw": MARK, "provider_name": "Azure"}}
        return Refusal(STATUS[kind], {"error": error, "user_id": "user_2f"}, fields=retry_fields(kind))
