"""OpenAI's chat completions, and what those who speak it after OpenAI have in common.

Sources: https://platform.openai.com/docs/api-reference/chat/create and …/chat/streaming (objects, order of a stream,
usage), https://platform.openai.com/docs/guides/error-codes (errors).
"""

import json

from harness.upstream import Request

from .dialect import LIMIT, MARK, TOO_LONG, WAIT, Dialect, Event, Refusal
from .turns import PICTURE, SCHEMA, Turn

STATUS = {
    "bad-request": "400 Bad Request",
    "context": "400 Bad Request",
    "wrong-key": "401 Unauthorized",
    "no-credit": "402 Payment Required",
    "no-model": "404 Not Found",
    "rate-limited": "429 Too Many Requests",
    "rate-limited-date": "429 Too Many Requests",
    "failed": "500 Internal Server Error",
    "unavailable": "503 Service Unavailable",
    # Not of HTTP's registry: Anthropic's, and that of some networks in front of others.
    "overloaded": "529 Site is overloaded",
}
#: RFC 9110 allows both forms. The date is far away, so that it is not over when the test is slow.
RETRY = {"rate-limited": str(WAIT), "rate-limited-date": "Fri, 31 Dec 2049 23:59:59 GMT", "unavailable": "5"}


def retry_fields(kind: str) -> tuple[tuple[str, str], ...]:
    return (("retry-after", RETRY[kind]),) if kind in RETRY else ()


class OpenAI(Dialect):
    name = "openai"
    key = "sk-proj-OpenAIsOwn/Key+0123456789abcdef"
    identifier = "chatcmpl-Bq7Y2mXw"
    #: Whether the stream's usage comes by itself, asked or not.
    always_usage = False
    #: What each chunk and answer has beside OpenAI's required members.
    extra: dict = {"system_fingerprint": "fp_44709d6fcb", "service_tier": "default"}
    roles = True

    # MARK: What was asked

    def fault(self, request: Request, turn: Turn) -> str | None:
        body = request.json()
        if not isinstance(body.get("messages"), list) or not body["messages"]:
            return "'messages' is required."
        if turn.needs == "tools":
            names = [tool["function"]["name"] for tool in body.get("tools") or [] if tool.get("type") == "function"]
            return None if names == ["weather", "time"] else f"the tools are {names}"
        if turn.needs == "schema":
            wanted = body.get("response_format") or {}
            schema = (wanted.get("json_schema") or {}).get("schema")
            return None if wanted.get("type") == "json_schema" and schema == SCHEMA else f"the format is {wanted}"
        if turn.needs == "picture":
            parts = body["messages"][-1]["content"]
            urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
            return None if urls == [f"data:image/png;base64,{PICTURE}"] else f"the pictures are {str(urls)[:80]}"
        return None

    # MARK: Answers

    def usage(self, turn: Turn) -> dict:
        return {
            "prompt_tokens": turn.prompt,
            "completion_tokens": turn.answer,
            "total_tokens": turn.prompt + turn.answer,
            "prompt_tokens_details": {"cached_tokens": turn.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": turn.thought,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def call(self, call, index: int, arguments: str) -> dict:
        return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}

    def finish(self, turn: Turn) -> dict:
        return {"finish_reason": turn.finish}

    def whole(self, request: Request, turn: Turn) -> dict:
        message = {"role": "assistant", "content": turn.text or None, "refusal": None, "annotations": []}
        if turn.thoughts and self.thoughts:
            message[self.thoughts] = turn.thinking
        if turn.calls:
            message["tool_calls"] = [self.call(one, place, "".join(one.pieces)) for place, one in enumerate(turn.calls)]
        choice = {"index": 0, "message": message, "logprobs": None} | self.finish(turn)
        return self._object(request, "chat.completion", [choice]) | {"usage": self.usage(turn)}

    def _object(self, request: Request, kind: str, choices: list) -> dict:
        model = request.json()["model"]
        return {"id": self.identifier, "object": kind, "created": 1730000000, "model": model} | {
            "choices": choices,
            **self.extra,
        }

    def chunk(self, request: Request, delta: dict, **more) -> dict:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None} | more
        return self._object(request, "chat.completion.chunk", [choice])

    def asks_usage(self, request: Request) -> bool:
        return self.always_usage or bool((request.json().get("stream_options") or {}).get("include_usage"))

    def events(self, request: Request, turn: Turn) -> list[Event]:
        """The role alone in the first chunk, the finish in one without content, the usage in one without choices."""
        chunks = [self.chunk(request, {"role": "assistant", "content": "", "refusal": None})] if self.roles else []
        role = {} if self.roles else {"role": "assistant"}
        if self.thoughts:
            chunks += [self.chunk(request, role | {self.thoughts: piece}) for piece in turn.thoughts]
        chunks += [self.chunk(request, role | {"content": piece}) for piece in turn.pieces]
        chunks += [self.chunk(request, role | delta) for delta in self.call_deltas(turn)]
        chunks.append(self.chunk(request, {}, **self.finish(turn)))
        if self.asks_usage(request):
            # Every chunk before has the member too, as null.
            chunks = [{**chunk, "usage": None} for chunk in chunks]
            chunks.append(self._object(request, "chat.completion.chunk", []) | {"usage": self.usage(turn)})
        return [*map(self.event, chunks), self.event("[DONE]")]

    def event(self, data: dict | str) -> Event:
        return Event(data)

    def call_deltas(self, turn: Turn) -> list[dict]:
        deltas = []
        for place, call in enumerate(turn.calls):
            deltas.append({"tool_calls": [{"index": place} | self.call(call, place, "")]})
            deltas += [{"tool_calls": [{"index": place, "function": {"arguments": piece}}]} for piece in call.pieces]
        return deltas

    # MARK: Errors

    def broken(self, request: Request) -> list[Event]:
        message = f"The server had an error while processing your request. {MARK}"
        return [self.event({"error": {"message": message, "type": "server_error", "param": None, "code": None}})]

    def words(self, kind: str) -> tuple[str, str, str | None, str | None]:
        """Message, type, parameter and code."""
        limit = f"This model's maximum context length is {LIMIT} tokens. However, your messages resulted in {TOO_LONG}"
        return {
            "bad-request": ("Invalid request.", "invalid_request_error", None, None),
            "context": (f"{limit} tokens.", "invalid_request_error", "messages", "context_length_exceeded"),
            "wrong-key": (f"Incorrect API key provided: {MARK}.", "invalid_request_error", None, "invalid_api_key"),
            "no-credit": (f"You exceeded your quota. {MARK}", "insufficient_quota", None, "insufficient_quota"),
            "no-model": (f"The model does not exist. {MARK}", "invalid_request_error", None, "model_not_found"),
            "rate-limited": (f"Rate limit reached. {MARK}", "requests", None, "rate_limit_exceeded"),
            "failed": (f"The server had an error. {MARK}", "server_error", None, None),
            "unavailable": (f"The engine is currently overloaded. {MARK}", "server_error", None, None),
            "overloaded": (f"Overloaded. {MARK}", "server_error", None, None),
        }[kind.removesuffix("-date")]

    def refusal(self, kind: str) -> Refusal:
        message, type, parameter, code = self.words(kind)
        error = {"message": message, "type": type, "param": parameter, "code": code}
        return Refusal(STATUS[kind], {"error": error}, fields=retry_fields(kind))

    def other(self, request: Request) -> dict | str | None:
        if request.path.endswith("/models"):
            return {"object": "list", "data": [{"id": "good", "object": "model", "created": 1, "owned_by": self.name}]}
        return None


def texts(request: Request) -> str:
    """Everything said in a chat, for endpoints that count it."""
    return json.dumps(request.json().get("messages") or request.json().get("prompt") or "")
