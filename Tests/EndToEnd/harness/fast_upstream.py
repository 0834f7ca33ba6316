"""A scripted upstream for load: a process of its own, so that it takes no time from the clients.

The prompt says what it answers, as `words=20 pause=5 batch=3`: so many words, so many ms between writes, so many words
in one write. It remembers by `x-request-id` how many words it produced and when, and tells that at `GET /produced`.
Run as `python -m harness.fast_upstream`; it prints its port, and ends with its standard input.
"""

import asyncio
import json
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path


def tokens_in(prompt: str) -> int:
    """What it reports as input tokens: told by the prompt, and different for different prompts."""
    return 5 + sum(prompt.encode()) % 91


def plan(prompt: str) -> dict[str, int]:
    told = dict(part.split("=", 1) for part in prompt.split() if "=" in part)
    return {name: int(told.get(name, fallback)) for name, fallback in (("words", 3), ("pause", 0), ("batch", 1))}


def _frame(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class _Server(asyncio.Protocol):
    def __init__(self, produced: dict[str, list[float]]):
        self.produced = produced
        self.buffer = b""
        self.stream: asyncio.Task | None = None

    def connection_made(self, transport) -> None:
        self.transport = transport

    def connection_lost(self, error) -> None:
        if self.stream:
            self.stream.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            lines = self.buffer[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            whole = end + 4 + int(headers.get("content-length", "0"))
            if len(self.buffer) < whole:
                return
            body, self.buffer = self.buffer[end + 4 : whole], self.buffer[whole:]
            self.serve(lines[0], headers, body)

    def serve(self, line: str, headers: dict[str, str], body: bytes) -> None:
        if line.startswith("GET "):
            return self.answer({request: times for request, times in self.produced.items()})
        asked = json.loads(body)
        prompt = asked["messages"][-1]["content"]
        words = plan(prompt)["words"]
        usage = {"prompt_tokens": tokens_in(prompt), "completion_tokens": words}
        usage["total_tokens"] = sum(usage.values())
        if asked.get("stream"):
            self.stream = asyncio.ensure_future(self.run(asked, plan(prompt), usage, headers["x-request-id"]))
            return
        message = {"role": "assistant", "content": "word " * words}
        self.answer(
            {"id": "c", "object": "chat.completion", "created": 1, "model": asked["model"], "usage": usage}
            | {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
        )

    def answer(self, value: dict) -> None:
        data = json.dumps(value).encode()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data)
        )

    async def run(self, asked: dict, told: dict[str, int], usage: dict, request: str) -> None:
        shape = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": asked["model"]}

        def event(**members) -> bytes:
            return b"data: %b\n\n" % json.dumps(shape | members).encode()

        word = event(choices=[{"index": 0, "delta": {"content": "word "}, "finish_reason": None}])
        times = self.produced[request] = []
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        left = told["words"]
        while left and not self.transport.is_closing():
            count = min(left, told["batch"])
            left -= count
            # Before the write: nobody can have read them earlier than this.
            times += [time.monotonic()] * count
            self.transport.write(_frame(word * count))
            await asyncio.sleep(told["pause"] / 1000)
        last = event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        if (asked.get("stream_options") or {}).get("include_usage"):
            last += event(choices=[], usage=usage)
        self.transport.write(_frame(last + b"data: [DONE]\n\n") + b"0\r\n\r\n")


class FastUpstream:
    """The process, from the outside."""

    def __enter__(self) -> "FastUpstream":
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness.fast_upstream"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        self.process.wait(60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def produced(self) -> dict[str, list[float]]:
        """By request: when each word of a stream was sent, on the clock of `time.monotonic()`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/produced", timeout=30) as answer:
            return json.load(answer)


async def _main() -> None:
    produced: dict[str, list[float]] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Server(produced), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(_main())
