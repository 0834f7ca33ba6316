"""Anthropic's Messages API.

Sources: https://docs.claude.com/en/api/messages (objects), https://docs.claude.com/en/build-with-claude/streaming
(events and their order, pings, errors), https://docs.claude.com/en/api/errors (types, statuses, 529),
https://docs.claude.com/en/api/messages-count-tokens, https://docs.claude.com/en/build-with-claude/extended-thinking,
https://platform.claude.com/docs/en/api/versioning and …/migration-2026-10-21 (what the newer version refuses; its
clients send the key as a bearer token, and the older header is still documented).
"""

from harness.upstream import Request

from .dialect import LIMIT, MARK, TOO_LONG, Dialect, Event, Refusal
from .openai import STATUS, retry_fields, texts
from .turns import PICTURE, SCHEMA, Call, Turn

OLDER, NEWER = "2023-06-01", "2026-10-21"
#: What the newer version has no longer, at any value.
SAMPLING = {"temperature", "top_p", "top_k"}
#: OpenAI's members that have another name here, or none.
FOREIGN = {"n", "stop", "stream_options", "response_format", "max_completion_tokens", "logprobs", "logit_bias", "seed"}
STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
TYPES = {
    "bad-request": "invalid_request_error",
    "context": "invalid_request_error",
    "wrong-key": "authentication_error",
    "no-credit": "billing_error",
    "no-model": "not_found_error",
    "rate-limited": "rate_limit_error",
    "failed": "api_error",
    "unavailable": "api_error",
    "overloaded": "overloaded_error",
}
#: What a thought is signed with, which the caller must give back unchanged.
SIGNATURE = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds="
ROLES = {OLDER: {"user", "assistant"}, NEWER: {"user", "assistant", "system"}}


class Anthropic(Dialect):
    name = "anthropic"
    path = "/v1/messages"
    key = "sk-ant-api03-AnthropicsOwnKey_0123456789-abcdefAA"
    protocol = "anthropic"
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    identifier = "msg_01XFDUDYJgAACzvnptvVoYEL"
    thoughts = "thinking"

    def model(self, scenario: str) -> str:
        return f"claude-{scenario}"

    def scenario(self, model: str) -> str:
        return model.removeprefix("claude-")

    def key_of(self, request: Request) -> str | None:
        return request.headers.get("x-api-key") or super().key_of(request)

    # MARK: What was asked

    def fault(self, request: Request, turn: Turn) -> str | None:
        version = request.headers.get("anthropic-version")
        if version not in ROLES:
            return "anthropic-version: header is required"
        body = request.json()
        messages = body.get("messages")
        if not isinstance(body.get("max_tokens"), int):
            return "max_tokens: Field required"
        if not messages or any(message["role"] not in ROLES[version] for message in messages):
            return f"messages: Unexpected role, allowed roles are {ROLES[version]}"
        unknown = (FOREIGN | (SAMPLING if version == NEWER else set())) & body.keys()
        if unknown:
            return f"{min(unknown)}: Extra inputs are not permitted"
        return self._lack(body, turn)

    def _lack(self, body: dict, turn: Turn) -> str | None:
        if turn.needs == "tools":
            names = [tool["name"] for tool in body.get("tools") or [] if "input_schema" in tool]
            return None if names == ["weather", "time"] else f"the tools are {names}"
        if turn.needs == "schema":
            wanted = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
            return None if wanted.get("schema") == SCHEMA else f"the format is {wanted}"
        if turn.needs == "picture":
            parts = [part for part in body["messages"][-1]["content"] if part["type"] == "image"]
            sources = [part["source"] for part in parts]
            wanted = {"type": "base64", "media_type": "image/png", "data": PICTURE}
            return None if sources == [wanted] else f"the pictures are {str(sources)[:80]}"
        return None

    # MARK: Answers

    def usage(self, turn: Turn) -> dict:
        """Tokens read from the cache are not part of `input_tokens`."""
        return {
            "input_tokens": turn.prompt - turn.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": turn.cached,
            "output_tokens": turn.answer,
            # A part of the output's.
            "output_tokens_details": {"thinking_tokens": turn.thought},
            "service_tier": "standard",
        }

    def message(self, request: Request, turn: Turn, content: list, reason: str | None) -> dict:
        return {
            "id": self.identifier,
            "type": "message",
            "role": "assistant",
            "model": request.json()["model"],
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": self.usage(turn),
        }

    def whole(self, request: Request, turn: Turn) -> dict:
        content: list[dict] = []
        if turn.thoughts:
            content.append({"type": "thinking", "thinking": turn.thinking, "signature": SIGNATURE})
        if turn.text:
            content.append({"type": "text", "text": turn.text})
        for call in turn.calls:
            content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments})
        return self.message(request, turn, content, STOP_REASONS[turn.finish])

    @staticmethod
    def event(type: str, **members) -> Event:
        return Event({"type": type, **members}, type)

    def block(self, index: int, block: dict, deltas: list[dict]) -> list[Event]:
        return [
            self.event("content_block_start", index=index, content_block=block),
            *(self.event("content_block_delta", index=index, delta=delta) for delta in deltas),
            self.event("content_block_stop", index=index),
        ]

    def blocks(self, turn: Turn) -> list[list[Event]]:
        found: list[tuple[dict, list[dict]]] = []
        if turn.thoughts:
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in turn.thoughts]
            signed = {"type": "signature_delta", "signature": SIGNATURE}
            found.append(({"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]))
        if turn.pieces:
            deltas = [{"type": "text_delta", "text": piece} for piece in turn.pieces]
            found.append(({"type": "text", "text": ""}, deltas))
        found += [(self._use(call), self._inputs(call)) for call in turn.calls]
        return [self.block(index, block, deltas) for index, (block, deltas) in enumerate(found)]

    def _use(self, call: Call) -> dict:
        return {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}

    def _inputs(self, call: Call) -> list[dict]:
        # The first piece is empty.
        return [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *call.pieces)]

    def events(self, request: Request, turn: Turn) -> list[Event]:
        """The first event tells the prompt's tokens, and the last but one all of the answer's."""
        first = self.message(request, turn, [], None)
        first["usage"] |= {"output_tokens": 1, "output_tokens_details": None}
        events = [self.event("message_start", message=first)]
        for place, block in enumerate(self.blocks(turn)):
            # A ping may stand anywhere.
            events += block[:1] + ([self.event("ping")] if place == 0 else []) + block[1:]
        reason = {"stop_reason": STOP_REASONS[turn.finish], "stop_sequence": None}
        # Counted from the beginning, all of it; the tier was told at first.
        usage = {name: count for name, count in self.usage(turn).items() if name != "service_tier"}
        events.append(self.event("message_delta", delta=reason, usage=usage))
        return [*events, self.event("message_stop")]

    # MARK: Errors

    def error(self, type: str, message: str) -> dict:
        return {"type": "error", "error": {"type": type, "message": message}, "request_id": "req_011CSHoEeqs5C35K2"}

    def broken(self, request: Request) -> list[Event]:
        return [Event(self.error("overloaded_error", f"Overloaded {MARK}"), "error")]

    def refusal(self, kind: str) -> Refusal:
        message = f"{kind} {MARK}"
        if kind == "context":
            message = f"prompt is too long: {TOO_LONG} tokens > {LIMIT} maximum"
        if kind == "bad-request":
            message = "Invalid request."
        fields = (("request-id", "req_011CSHoEeqs5C35K2"), *retry_fields(kind))
        return Refusal(STATUS[kind], self.error(TYPES[kind.removesuffix("-date")], message), fields=fields)

    def other(self, request: Request) -> dict | str | None:
        if request.path == "/v1/messages/count_tokens":
            return {"input_tokens": len(texts(request)) // 4}
        if request.path.partition("?")[0] == "/v1/models":
            return {"data": [{"type": "model", "id": "claude-good", "display_name": "Good"}], "has_more": False}
        return None
