"""What is asked of a system, and what it took to answer."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from systems import System, compiled, pinned

BODY_BYTES = 615
CHUNKS = 64
PACE_MICROSECONDS = 5000
CONNECTIONS = 64
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
END = {CHAT: "[DONE]", MESSAGES: "message_stop"}


class Failed(Exception):
    """A request was not answered as it should be: the figures mean nothing."""


@dataclass(frozen=True)
class Request:
    """`word` tells the mock what to do: whole, burst, paced, or silent-NUMBER."""

    model: str
    key: str
    word: str
    path: str = CHAT

    @property
    def is_stream(self) -> bool:
        return self.word != "whole"

    @property
    def body(self) -> str:
        """615 bytes whatever the model is called, so that every system gets the same."""
        text = self.word + " All work and no play makes Jack a dull boy." * 10
        message = {"role": "user", "content": text}
        fields = {"model": self.model, "stream": self.is_stream, "max_tokens": 256, "messages": [message]}
        return json.dumps(fields, separators=(",", ":")).ljust(BODY_BYTES)

    def encoded(self, host: str) -> bytes:
        head = [f"POST {self.path} HTTP/1.1", f"host: {host}", "content-type: application/json"]
        if self.path == MESSAGES:
            head.append("anthropic-version: 2023-06-01")
        head += [f"authorization: Bearer {self.key}", f"content-length: {len(self.body)}"]
        return ("\r\n".join(head) + "\r\n\r\n" + self.body).encode()


@dataclass(frozen=True)
class Load:
    """Starts the programs that ask, on their core. `folder` is where they are compiled."""

    folder: Path
    core: int

    def count(self, system: System, request: Request, number: int) -> dict:
        """Asks exactly `number` times; CPU is the system's, until it has nothing left to do for them."""
        end = END[request.path] if request.is_stream else "-"
        command = [str(compiled(self.folder, "load")), "127.0.0.1", str(system.port), str(CONNECTIONS), str(number)]
        command += [str(CHUNKS if request.is_stream else 0), end]
        before = system.cpu_seconds()
        done = subprocess.run(
            pinned(self.core, command), input=request.encoded(f"127.0.0.1:{system.port}"), stdout=subprocess.PIPE
        )
        result = json.loads(done.stdout)
        if done.returncode or result["answered"] != number:
            raise Failed(f"{result['answered']} of {number} {request.word} requests answered, then: {result['wrong']}")
        system.settle(number)
        return result | {"cpu_us": 1e6 * (system.cpu_seconds() - before) / number}

    def saturate(self, system: System, request: Request, connections: int, seconds: int) -> dict:
        """Asks as fast as answers come, with wrk. `busy` is the share of its core that the system took meanwhile."""
        environment = os.environ | {"BENCH_BODY": request.body, "BENCH_KEY": request.key}
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
        command += ["-s", str(Path(__file__).with_name("load.lua")), system.url]
        before = system.cpu_seconds()
        done = subprocess.run(pinned(self.core, command), env=environment, capture_output=True, text=True)
        busy = system.cpu_seconds() - before
        found = re.search(r"RESULT (.*)", done.stdout)
        if not found:
            raise Failed(f"wrk ended with {done.returncode}: {done.stderr.strip()[:300]}")
        result = json.loads(found.group(1))
        if result["errors"] or not result["requests"]:
            raise Failed(f"{result['errors']} requests failed, {result['requests']} were answered")
        system.settle(result["requests"])
        return result | {"busy": busy / result["seconds"]}
