"""Text Generation Inference.

Sources: https://huggingface.co/docs/text-generation-inference/messages_api and
https://huggingface.github.io/text-generation-inference/ (paths, `ChatCompletionChunk`, `ErrorResponse` with the
statuses 422, 424, 429 and 500, `/tokenize`, `/health`, `/metrics`).
"""

from harness.upstream import Request

from .dialect import LIMIT, MARK, TOO_LONG, Event, Refusal
from .openai import STATUS, OpenAI, retry_fields, texts
from .turns import Turn

KINDS = {
    "bad-request": ("422 Unprocessable Entity", "validation"),
    "context": ("422 Unprocessable Entity", "validation"),
    "rate-limited": ("429 Too Many Requests", "overloaded"),
    "failed": ("500 Internal Server Error", "incomplete_generation"),
    "unavailable": ("503 Service Unavailable", "unhealthy"),
}


class TGI(OpenAI):
    name = "tgi"
    key = "hf_EndpointTokenOfThisTGI00112233445566"
    identifier = ""
    extra = {"system_fingerprint": "3.3.6-native"}
    roles = False
    tells_cached = tells_thought = False

    def usage(self, turn: Turn) -> dict:
        total = turn.prompt + turn.answer
        return {"prompt_tokens": turn.prompt, "completion_tokens": turn.answer, "total_tokens": total}

    def event(self, data: dict | str) -> Event:
        # The standard makes the space optional, and some releases leave it out.
        return Event(data, field="data:")

    def broken(self, request: Request) -> list[Event]:
        return [self.event({"error": f"Request failed during generation: {MARK}", "error_type": "generation"})]

    def refusal(self, kind: str) -> Refusal:
        message = self.words(kind)[0]
        status, type = KINDS.get(kind.removesuffix("-date"), (STATUS[kind], "generation"))
        if kind == "context":
            message = (
                f"Input validation error: `inputs` tokens + `max_new_tokens` must be <= {LIMIT}. "
                f"Given: {TOO_LONG - 100} `inputs` tokens and 100 `max_new_tokens`"
            )
        if kind == "wrong-key":
            # A reverse proxy's, which stands in front of an endpoint that asks for a token.
            return Refusal(status, "Unauthorized", "text/plain")
        return Refusal(status, {"error": message, "error_type": type}, fields=retry_fields(kind))

    def other(self, request: Request) -> dict | str | None:
        if request.path == "/tokenize":
            words = str(request.json().get("inputs") or texts(request)).split()
            return [{"id": place, "text": word, "start": 0, "stop": 1} for place, word in enumerate(words)]
        if request.path == "/info":
            return {"model_id": "acme/good", "max_input_tokens": LIMIT - 1, "max_total_tokens": LIMIT}
        return "" if request.path == "/health" else super().other(request)
