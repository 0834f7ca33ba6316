"""What every dialect must be able to say."""

import json
from dataclasses import dataclass, field

from harness.upstream import Request

from .turns import Turn

#: What stands in every refusal's words, so that a test sees whether a provider's words reached the caller.
MARK = "provider-internal-7f3a"
#: So many tokens a prompt has where it is too long, and so many the model takes.
TOO_LONG, LIMIT = 9001, 8192
#: Seconds that a provider asks to wait.
WAIT = 17


@dataclass(frozen=True)
class Refusal:
    """An answer that is an error."""

    status: str
    body: dict | str
    content_type: str = "application/json"
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def data(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Event:
    """A server-sent event; `name` is its `event:` line."""

    data: dict | str
    name: str | None = None
    #: The name of the data's line, and whether a space follows, which the standard leaves open.
    field: str = field(default="data: ", kw_only=True)

    @property
    def encoded(self) -> bytes:
        text = self.data if isinstance(self.data, str) else json.dumps(self.data, ensure_ascii=False)
        line = f"event: {self.name}\n" if self.name else ""
        return f"{line}{self.field}{text}\n\n".encode()


class Dialect:
    """One provider's or runtime's way to speak."""

    #: For tests' names and for the upstream's model.
    name: str
    #: What comes before the operation's path in an endpoint that an operator registers.
    base = "/v1"
    #: Where chats are asked.
    path = "/v1/chat/completions"
    key: str
    #: The protocol that it is registered with.
    protocol = "openai"
    #: How it keeps a silent stream alive.
    ping = b": ping\n\n"
    #: Where the model's thoughts stand in a message; nil where they are not shown.
    thoughts: str | None = None
    #: Whether its usage tells what came from a cache, and what was thought.
    tells_cached = tells_thought = True

    def model(self, scenario: str) -> str:
        """The model's name in its own form."""
        return scenario

    def scenario(self, model: str) -> str:
        return model

    def key_of(self, request: Request) -> str | None:
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        return key if kind == "Bearer" else None

    def fault(self, request: Request, turn: Turn) -> str | None:
        """What of the request breaks the provider's rules, or lacks what the scenario is about."""
        raise NotImplementedError

    def whole(self, request: Request, turn: Turn) -> dict:
        raise NotImplementedError

    def events(self, request: Request, turn: Turn) -> list[Event]:
        raise NotImplementedError

    def broken(self, request: Request) -> list[Event]:
        """An error in the middle of a stream, and what the provider still sends after it."""
        raise NotImplementedError

    def refusal(self, kind: str) -> Refusal:
        """`kind` is one of REFUSALS, or `bad-request`."""
        raise NotImplementedError

    def other(self, request: Request) -> dict | str | None:
        """The answer of an endpoint beside the chat's; nil where there is none. A text is no JSON."""
        return None


#: Every refusal that each dialect has words for.
REFUSALS = (
    "wrong-key",
    "no-credit",
    "no-model",
    "context",
    "rate-limited",
    "rate-limited-date",
    "failed",
    "unavailable",
    "overloaded",
)
