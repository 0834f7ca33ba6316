"""Models of several deployments, of which each plays what a test makes it play."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.tenancy import unique
from harness.volery import Platform

from .dialect import Dialect
from .openai import OpenAI
from .server import ProviderServer
from .stage import Stage
from .turns import TURNS

#: Seconds that an upstream may be silent, short enough to wait for.
LIMITS = {
    "VOLERY_UPSTREAM_FIRST_BYTE_TIMEOUT": "2s",
    "VOLERY_UPSTREAM_IDLE_TIMEOUT": "2s",
    "VOLERY_UPSTREAM_CONNECT_TIMEOUT": "2s",
}
TEXT = TURNS["good"].text


@dataclass
class Pair:
    """A model whose deployments are asked in this order."""

    stage: Stage
    model: str
    servers: list[ProviderServer]
    deployments: list[str]

    @property
    def asked(self) -> list[int]:
        """How often each was asked."""
        return [len(server.chats) for server in self.servers]

    def ask(self, stream: bool = False, **more):
        return self.stage.ask(self.model, stream=stream, **more)

    def text(self, answer) -> str:
        """What a good answer says, whole or streamed."""
        assert answer.status_code == 200, answer.text
        if not answer.headers["content-type"].startswith("text/event-stream"):
            return answer.json()["choices"][0]["message"]["content"]
        lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
        assert lines[-1] == "[DONE]", answer.text
        deltas = [json.loads(line)["choices"][0]["delta"] for line in lines[:-1]]
        return "".join(delta.get("content") or "" for delta in deltas)

    def attempts(self, answer) -> list[tuple[int, str]]:
        """Which deployment each attempt went to, by its place, and what is known of its cost."""
        made = self.stage.attempts(answer.headers["x-request-id"])
        assert [attempt["number"] for attempt in made] == list(range(1, len(made) + 1))
        return [(self.deployments.index(attempt["deployment_id"]), attempt["cost_state"]) for attempt in made]

    def route(self, answer, key: str | None = None):
        path = f"/v1/requests/{answer.headers['x-request-id']}/route"
        self.stage.row(answer.headers["x-request-id"])
        return self.stage.call("GET", path, key or self.stage.platform.key)


@contextmanager
def paired_stage(data_dir: Path) -> Iterator[Stage]:
    """A platform that does not wait long for what is silent."""
    running = Platform(data_dir, ("--no-default-models",), LIMITS).start()
    stage = Stage(running)
    try:
        yield stage
    finally:
        stage.close()
        assert running.stop() == 0, running.output[-4000:]


@contextmanager
def paired(stage: Stage) -> Iterator[Callable[..., Pair]]:
    """Makes a model of several deployments; each plays its scenario whatever it is asked for."""
    with ExitStack() as stack:

        def make(*scenarios: str, dialects: tuple[Dialect, ...] = ()) -> Pair:
            dialects = dialects or (OpenAI(),) * len(scenarios)
            made = Pair(stage, unique("paired"), [], [])
            for place, (scenario, dialect) in enumerate(zip(scenarios, dialects, strict=True)):
                server = stack.enter_context(ProviderServer(dialect, key=False))
                server.override = scenario
                more = ("--priority", str(place), "--upstream-model", f"their-{place}")
                made.servers.append(server)
                made.deployments.append(stage.register(made.model, server.url, *more, protocol=dialect.protocol))
            return made

        yield make
