"""Clients at full speed that remember what they saw, request by request, through kills and restarts."""

import asyncio
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .fast_upstream import tokens_in


@dataclass
class Ask:
    """One request to make, and what its usage must be when it is answered whole."""

    model: str
    prompt: str
    is_stream: bool = False
    max_tokens: int | None = None
    #: Input and output tokens; nil where the answer itself says them.
    tokens: tuple[int, int] | None = None

    def body(self) -> bytes:
        body = {"model": self.model, "messages": [{"role": "user", "content": self.prompt}], "stream": self.is_stream}
        if self.max_tokens is not None:
            body["max_tokens"] = self.max_tokens
        if self.is_stream and self.tokens is None:
            body["stream_options"] = {"include_usage": True}
        return json.dumps(body).encode()


def scripted(words: int, pause: int = 0, batch: int = 1, is_stream: bool = False, model: str = "scripted") -> Ask:
    """What `FastUpstream` answers with so many words."""
    prompt = f"words={words} pause={pause} batch={batch}"
    return Ask(model, prompt, is_stream, tokens=(tokens_in(prompt), words))


def echo(words: int, is_stream: bool = False) -> Ask:
    return Ask("demo-echo", "say it", is_stream, max_tokens=words, tokens=None)


@dataclass
class Seen:
    """What one client saw of one request."""

    ask: Ask
    began: float
    ended: float = 0.0
    #: The platform's identifier; nil while no head was seen.
    request: str | None = None
    status: int = 0
    code: str | None = None
    #: When each content event arrived.
    words: list[float] = field(default_factory=list)
    #: Input and output tokens as the answer told them.
    told: tuple[int, int] | None = None
    is_complete: bool = False
    #: How the connection broke, when it did.
    broken: str | None = None

    @property
    def latency(self) -> float:
        return self.ended - self.began


def whole(random: random.Random) -> Ask:
    return random.choice([echo(random.randint(1, 20)), scripted(random.randint(1, 40))])


def mixed(random: random.Random) -> Ask:
    """Whole answers, streams that come in bursts, and streams slow enough to be in the middle when somebody kills."""
    kind = random.random()
    if kind < 0.3:
        return whole(random)
    if kind < 0.4:
        return echo(random.randint(2, 40), is_stream=True)
    if kind < 0.6:
        return scripted(random.randint(1, 300), batch=random.randint(1, 100), is_stream=True)
    return scripted(
        random.randint(5, 150), pause=random.randint(1, 40), batch=random.randint(1, 5), is_stream=True
    )


def seed_of_today() -> int:
    """Another one each time; `VOLERY_TEST_SEED` runs an old one again."""
    seed = int(os.environ.get("VOLERY_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
    print(f"VOLERY_TEST_SEED={seed}")
    return seed


Plan = Callable[[random.Random], Ask]


class Client:
    """One keep-alive connection that asks again as soon as it was answered."""

    def __init__(self, load: "Load", plan: Plan, seed: int):
        self.load = load
        self.plan = plan
        self.random = random.Random(seed)
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        try:
            while not self.load.is_over:
                if self.writer is None and not await self.connect():
                    # The platform is away; it comes back on the same port.
                    await asyncio.sleep(0.02)
                    continue
                seen = Seen(self.plan(self.random), time.monotonic())
                self.load.seen.append(seen)
                try:
                    await self.exchange(seen)
                except (OSError, asyncio.IncompleteReadError) as error:
                    seen.broken = repr(error)
                    self.close()
                seen.ended = time.monotonic()
                if self.load.pause:
                    await asyncio.sleep(self.load.pause)
        finally:
            self.close()

    async def connect(self) -> bool:
        try:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.load.port)
            return True
        except OSError:
            return False

    def close(self) -> None:
        if self.writer:
            self.writer.close()
        self.reader = self.writer = None

    async def exchange(self, seen: Seen) -> None:
        body = seen.ask.body()
        self.writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (self.load.key.encode(), len(body), body)
        )
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        seen.status = int(lines[0].split(" ")[1])
        seen.request = headers["x-request-id"]
        if "chunked" in headers.get("transfer-encoding", ""):
            await self.read_stream(seen)
        else:
            answer = json.loads(await self.reader.readexactly(int(headers["content-length"])))
            if seen.status == 200:
                seen.told = _tokens(answer)
                seen.is_complete = True
            else:
                seen.code = answer["error"]["code"]
        if headers.get("connection") == "close":
            self.close()

    async def read_stream(self, seen: Seen) -> None:
        text = b""
        is_done = False
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            text += (await self.reader.readexactly(size + 2))[:-2]
            now = time.monotonic()
            *events, text = text.split(b"\n\n")
            for event in events:
                is_done = is_done or self.read_event(seen, event, now)
        await self.reader.readexactly(2)
        seen.is_complete = is_done

    def read_event(self, seen: Seen, event: bytes, now: float) -> bool:
        if event.startswith(b":"):
            # A comment, such as what the answer cost.
            return False
        data = event.removeprefix(b"data: ")
        if data == b"[DONE]":
            return True
        value = json.loads(data)
        if "error" in value:
            seen.code = value["error"]["code"]
        if value.get("usage"):
            seen.told = _tokens(value)
        seen.words += [now for choice in value.get("choices", []) if choice["delta"].get("content")]
        return False


def _tokens(answer: dict) -> tuple[int, int]:
    return answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]


class Load:
    """Clients on a thread of their own, one for each plan, until `stop`."""

    def __init__(self, port: int, key: str, plans: list[Plan], seed: int, pause: float = 0):
        self.port = port
        self.key = key
        #: Between two requests of one client, for a load that leaves the machine some room.
        self.pause = pause
        self.seen: list[Seen] = []
        self.is_over = False
        self._failures: list[BaseException] = []
        self._clients = [Client(self, plan, seed * 1000 + number) for number, plan in enumerate(plans)]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        async def everyone() -> None:
            await asyncio.gather(*(client.run() for client in self._clients))

        try:
            asyncio.run(everyone())
        except BaseException as error:
            self._failures.append(error)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        """Lets running exchanges end."""
        self.is_over = True
        self._thread.join(60)
        assert not self._thread.is_alive(), "a client still waits for its answer"
        if self._failures:
            raise self._failures[0]

    def complete(self) -> Iterator[Seen]:
        return (seen for seen in list(self.seen) if seen.is_complete)


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
