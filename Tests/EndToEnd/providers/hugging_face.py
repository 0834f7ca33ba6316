"""Hugging Face's router over many providers.

Sources: https://huggingface.co/docs/inference-providers/index and …/tasks/chat-completion (`MODEL:PROVIDER`,
`:fastest`, `:cheapest`), https://huggingface.co/docs/inference-providers/hub-api (providers of a model),
https://huggingface.co/docs/inference-providers/pricing (credits, `X-HF-Bill-To`).
"""

from harness.upstream import Request

from .dialect import LIMIT, MARK, TOO_LONG, Event, Refusal
from .openai import STATUS, OpenAI, retry_fields


class HuggingFace(OpenAI):
    name = "hugging-face"
    key = "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0011"
    identifier = "chatcmpl-0e9d8c7b-6a5f"
    extra = {"system_fingerprint": None, "x_groq": {"id": "req_01k"}}

    def model(self, scenario: str) -> str:
        return f"acme/{scenario}:groq"

    def scenario(self, model: str) -> str:
        return model.removeprefix("acme/").removesuffix(":groq")

    def broken(self, request: Request) -> list[Event]:
        """What the provider behind it said, passed on."""
        error = {"message": f"Internal Server Error {MARK}", "type": "internal_server_error", "code": 500}
        return [self.event({"error": error}), self.event("[DONE]")]

    def refusal(self, kind: str) -> Refusal:
        """The router's own errors are a text in `error`, or no JSON at all; a provider's are what it sent."""
        status, fields = STATUS[kind], retry_fields(kind)
        match kind:
            case "wrong-key":
                return Refusal(status, {"error": f"Invalid username or password. {MARK}"})
            case "no-credit":
                return Refusal(status, {"error": f"You have exceeded your monthly included credits. {MARK}"})
            case "no-model":
                message = f"The requested model is not supported by any provider you have enabled. {MARK}"
                error = {"message": message, "type": "invalid_request_error", "param": "model"}
                return Refusal(status, {"error": error | {"code": "model_not_supported"}})
            case "rate-limited" | "rate-limited-date":
                return Refusal(status, f"Too Many Requests {MARK}", "text/plain; charset=utf-8", fields)
            case "unavailable":
                return Refusal(status, f"<html><body>{MARK}</body></html>", "text/html", fields)
            case "context":
                message = f"Please reduce the length of the messages: {TOO_LONG} tokens, and the limit is {LIMIT}."
                error = {"message": message, "type": "invalid_request_error", "param": "messages"}
                return Refusal(status, {"error": error | {"code": "context_length_exceeded"}})
        return super().refusal(kind)
