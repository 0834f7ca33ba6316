"""What a provider does with one request. A scenario is chosen by the model's name: `turn`, `fault`, or either with the
framing behind a point, as in `good.crlf`."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from harness.upstream import Connection, Request

from .dialect import MARK, REFUSALS, Dialect, Refusal
from .framing import Framing, head
from .turns import TURNS, Turn

#: Seconds before the first byte of `slow`, and between its events: less than any limit that a test sets.
SLOW = 0.4
#: Seconds of silence, which end sooner by the other side's leaving.
SILENCE = 30
#: Bytes of one event: more than a socket's buffers hold, and less than a gateway may refuse.
HUGE = 1 << 20
#: More than any event of a model has.
BEYOND = 6 << 20
PAGE = f"<html><head><title>Bad gateway</title></head><body><h1>{MARK}</h1></body></html>"


@dataclass
class Exchange:
    """One request with everything to answer it."""

    connection: Connection
    request: Request
    dialect: Dialect
    framing: Framing
    turn: Turn

    @property
    def is_stream(self) -> bool:
        return bool(self.request.json().get("stream"))

    def refuse(self, refusal: Refusal) -> None:
        self.framing.whole(refusal.status, refusal.content_type, refusal.data, *refusal.fields)

    def answer(self, turn: Turn | None = None) -> None:
        turn = turn or self.turn
        if not self.is_stream:
            whole = Refusal("200 OK", self.dialect.whole(self.request, turn))
            return self.framing.whole("200 OK", "application/json", whole.data)
        self.framing.begin()
        for event in self.dialect.events(self.request, turn):
            self.framing.event(event.encoded)
        self.framing.end()

    def begin(self, words: int = 2) -> None:
        """The beginning of a stream: what comes before the content, and so many pieces of it."""
        self.framing.begin()
        last = f": {json.dumps(self.turn.pieces[words - 1], ensure_ascii=False)}"
        for event in self.dialect.events(self.request, self.turn):
            self.framing.event(event.encoded)
            if last in event.encoded.decode():
                return self.framing.flush()
        raise AssertionError("the answer has fewer pieces")


def slow(exchange: Exchange) -> None:
    time.sleep(SLOW)
    if not exchange.is_stream:
        return exchange.answer()
    exchange.framing.begin()
    for event in exchange.dialect.events(exchange.request, exchange.turn):
        time.sleep(SLOW / 4)
        exchange.framing.event(event.encoded)
    exchange.framing.end()


def error_midway(exchange: Exchange) -> None:
    if not exchange.is_stream:
        # The same words as a whole answer with status 200, as routers send what happened behind them.
        data = exchange.dialect.refusal("failed")
        return exchange.framing.whole("200 OK", data.content_type, data.data)
    exchange.begin()
    for event in exchange.dialect.broken(exchange.request):
        exchange.framing.event(event.encoded)
    exchange.framing.end()


def error_first(exchange: Exchange) -> None:
    """The head of a good stream, and the error as its first event."""
    if not exchange.is_stream:
        return error_midway(exchange)
    exchange.framing.begin()
    for event in exchange.dialect.broken(exchange.request):
        exchange.framing.event(event.encoded)
    exchange.framing.end()


def no_end(exchange: Exchange) -> None:
    """The stream ends as HTTP, and not as the dialect's."""
    if not exchange.is_stream:
        return cut(exchange)
    exchange.begin()
    exchange.framing.end()


def cut(exchange: Exchange) -> None:
    """A reset in the middle of the body."""
    if exchange.is_stream:
        exchange.begin()
    else:
        exchange.connection.send(head("200 OK", "application/json", ("content-length", "4000")) + b'{"id": "half')
    # What was sent must arrive before the reset, which drops what waits.
    time.sleep(0.05)
    exchange.connection.reset()


def silent_midway(exchange: Exchange) -> None:
    if exchange.is_stream:
        exchange.begin()
    else:
        exchange.connection.send(head("200 OK", "application/json", ("content-length", "4000")) + b'{"id": "half')
    exchange.connection.wait_for_close(SILENCE)


def page(exchange: Exchange, status: str) -> None:
    exchange.framing.whole(status, "text/html; charset=utf-8", PAGE.encode())


def wrong_type(exchange: Exchange) -> None:
    """A whole answer where a stream was asked for, and a stream where it was not."""
    if exchange.is_stream:
        body = Refusal("200 OK", exchange.dialect.whole(exchange.request, exchange.turn))
        return exchange.framing.whole("200 OK", "application/json", body.data)
    exchange.framing.begin()
    for event in exchange.dialect.events(exchange.request, exchange.turn):
        exchange.framing.event(event.encoded)
    exchange.framing.end()


def broken_json(exchange: Exchange) -> None:
    if not exchange.is_stream:
        return exchange.framing.whole("200 OK", "application/json", b'{"id": "x", "choices": [{"index": 0, "mess')
    exchange.begin()
    exchange.framing.event(b'data: {"id": "x", "choices": [{"index"\n\n')
    exchange.framing.end()


def sized(size: int) -> Callable[[Exchange], None]:
    return lambda exchange: exchange.answer(Turn(("x" * size, " end"), answer=size // 4))


SCENARIOS: dict[str, Callable[[Exchange], None]] = {
    "slow": slow,
    "error-midway": error_midway,
    "error-first": error_first,
    "no-end": no_end,
    "cut": cut,
    "silent": lambda exchange: exchange.connection.wait_for_close(SILENCE),
    "silent-midway": silent_midway,
    "reset": lambda exchange: exchange.connection.reset(),
    "page-500": lambda exchange: page(exchange, "500 Internal Server Error"),
    "page-502": lambda exchange: page(exchange, "502 Bad Gateway"),
    "page-200": lambda exchange: page(exchange, "200 OK"),
    "wrong-type": wrong_type,
    "broken-json": broken_json,
    "empty": lambda exchange: exchange.framing.whole("200 OK", "application/json", b""),
    "huge-event": sized(HUGE),
    "event-beyond": sized(BEYOND),
}
SCENARIOS |= dict.fromkeys(TURNS, Exchange.answer)
SCENARIOS |= {name: lambda exchange, name=name: exchange.refuse(exchange.dialect.refusal(name)) for name in REFUSALS}


def play(connection: Connection, request: Request, dialect: Dialect, name: str) -> None:
    scenario, _, framing = name.partition(".")
    exchange = Exchange(connection, request, dialect, Framing(connection, framing or "plain"), TURNS["good"])
    exchange.framing.ping = dialect.ping
    exchange.turn = TURNS.get(scenario, TURNS["good"])
    fault = dialect.fault(request, exchange.turn)
    if fault is not None:
        refusal = dialect.refusal("bad-request")
        # Told on the side as well: a refusal's words may be hidden from the test.
        request.fault = fault
        return exchange.refuse(refusal)
    if scenario not in SCENARIOS:
        return exchange.refuse(dialect.refusal("no-model"))
    SCENARIOS[scenario](exchange)
