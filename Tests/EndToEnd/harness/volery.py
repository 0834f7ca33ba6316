"""The platform under test as a child process, and its command line."""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
import openai

from . import processes
from .ports import free_port

BINARY = Path(os.environ.get("VOLERY_BINARY", Path(__file__).parents[3] / ".build/debug/volery"))

#: Seconds for an answer without a cap. The real model says when it ends, if need be at its context's four thousand
#: tokens, of which two busy cores make some twenty a second.
UNTIL_IT_ENDS = 600

#: Names that would reach another platform, another folder or a real provider from inside a test.
_FOREIGN = ("VOLERY_", "OPENAI_", "ANTHROPIC_", "OPENROUTER_", "HF_")


def clean_environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return kept | {"NO_COLOR": "1"} | extra


@dataclass
class Result:
    """What a command left: exit code, data (stdout) and talk (stderr)."""

    code: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)


def done(result: Result):
    """The data of a command that must have succeeded."""
    assert result.code == 0, result.out + result.err
    return result.json()


def volery(*arguments: str, data_dir: Path | None = None, timeout: float = 60, **environment: str) -> Result:
    """Runs the command line to its end. `data_dir` goes before the subcommand, as scripts write it."""
    command = [str(BINARY)]
    if data_dir is not None:
        command += ["--data-dir", str(data_dir)]
    done = subprocess.run(
        command + list(arguments),
        env=clean_environment(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@dataclass
class Platform:
    """`volery serve` on a data folder and a port of its own."""

    data_dir: Path
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen | None = None
    started: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def stdout_file(self) -> Path:
        return self.data_dir.parent / f"{self.data_dir.name}.stdout"

    @property
    def stderr_file(self) -> Path:
        return self.data_dir.parent / f"{self.data_dir.name}.stderr"

    @property
    def output(self) -> str:
        return self.stdout_file.read_text() + self.stderr_file.read_text()

    @property
    def key(self) -> str:
        return (self.data_dir / "initial-api-key").read_text().strip()

    @property
    def operator_token(self) -> str:
        return (self.data_dir / "operator-token").read_text().strip()

    @property
    def metrics_url(self) -> str:
        """Where this process has its metrics: it says so when all of its ports are open, which may be after its first
        answer, and until then the file is that of the process before."""

        def told() -> dict | None:
            file = self.data_dir / "platform.json"
            facts = json.loads(file.read_text()) if file.exists() else {}
            return facts if facts.get("pid") == self.process.pid else None

        return processes.wait_until(told, 60, "the platform says where its metrics are")["metrics_url"]

    def start(self, *arguments: str, wait: str = "/readyz", seconds: float = 60) -> "Platform":
        self.port = self.port or free_port()
        command = [
            *self.prefix,
            str(BINARY),
            "serve",
            "--data-dir",
            str(self.data_dir),
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            *self.arguments,
            *arguments,
        ]
        # A metrics port of its own, so that platforms of one test run do not meet on the default one.
        environment = clean_environment(VOLERY_METRICS_PORT=str(free_port())) | self.environment
        with open(self.stdout_file, "ab") as out, open(self.stderr_file, "ab") as err:
            self.started = time.monotonic()
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        if wait:
            self.wait_for(wait, seconds)
        return self

    def wait_for(self, path: str, seconds: float) -> None:
        def answers() -> bool:
            code = self.process.poll()
            assert code is None, f"the platform ended with {code}:\n{self.output[-4000:]}"
            try:
                return httpx.get(self.url + path, timeout=10).status_code == 200
            except httpx.HTTPError:
                return False

        processes.wait_until(answers, seconds, f"{path} answers 200:\n{self.output[-4000:]}")

    def wait_for_model(self, name: str, seconds: float = 180) -> None:
        def is_ready() -> bool:
            assert self.process.poll() is None, f"the platform ended:\n{self.output[-4000:]}"
            body = self.get("/readyz").json()
            return any(
                model["state"] == "ready" and name in [model["model"], *model["aliases"]] for model in body["models"]
            )

        processes.wait_until(is_ready, seconds, f"the model {name} is ready:\n{self.output[-6000:]}", interval=0.1)

    def stop(self, sign: int = signal.SIGINT, seconds: float = 60) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(sign)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise AssertionError(f"not stopped {seconds} s after signal {sign}:\n{self.output[-4000:]}") from None

    def headers(self, key: str | None = None) -> dict[str, str]:
        return {"authorization": f"Bearer {key or self.key}"}

    def get(self, path: str, key: str | None = None, **more) -> httpx.Response:
        return httpx.get(self.url + path, headers=self.headers(key), timeout=60, **more)

    def post(self, path: str, body, key: str | None = None, **more) -> httpx.Response:
        return httpx.post(self.url + path, json=body, headers=self.headers(key), timeout=120, **more)

    def chat(self, model: str, text: str = "Hello there", **more) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return self.post("/v1/chat/completions", body)

    def client(self, key: str | None = None) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key or self.key, max_retries=0, timeout=120)

    def volery(self, *arguments: str, **more) -> Result:
        return volery(*arguments, data_dir=self.data_dir, **more)

    def register(self, url: str, name: str = "scripted") -> None:
        """Puts an upstream behind a model's name."""
        result = self.volery("registry", "register", "--model", name, "--endpoint", url, "--protocol", "openai")
        assert result.code == 0, result.err

    def usage_rows(self) -> list[dict]:
        result = self.volery("usage", "--json", "--each", "--limit", "1000")
        assert result.code == 0, result.err
        return result.json()

    def usage_of(self, request_id: str, seconds: float = 60) -> dict:
        """The usage row of one request; it is written shortly after the answer."""

        def find() -> dict | None:
            return next((row for row in self.usage_rows() if row["request_id"] == request_id), None)

        return processes.wait_until(find, seconds, f"a usage row for {request_id}", interval=0.1)
