"""A running platform with scripted providers behind it, and what tests ask of it."""

import json
import sqlite3
from contextlib import ExitStack
from dataclasses import dataclass, field

import httpx2 as httpx
from harness import processes, raw
from harness.tenancy import unique
from harness.volery import Platform

from .dialect import Dialect
from .server import ProviderServer
from .turns import PICTURE, SCHEMA

CAPABILITIES = ["chat", "tools", "logprobs", "images", "json_object", "json_schema"]
QUESTION = [{"role": "user", "content": "What is it?"}]
TOOLS = [
    {"type": "function", "function": {"name": name, "description": name, "parameters": {"type": "object"}}}
    for name in ("weather", "time")
]
#: What a request has beside its question, so that it brings along what a scenario is about.
WITH = {
    "tools": {"tools": TOOLS, "tool_choice": "auto"},
    "schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "fruit", "schema": SCHEMA}}},
    "picture": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
                ],
            }
        ]
    },
}


@dataclass
class Stage:
    platform: Platform
    servers: dict[str, ProviderServer] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        # One for all requests: to make one takes longer than to ask.
        self._client = self._open.enter_context(httpx.Client(base_url=self.platform.url, timeout=60))

    def close(self) -> None:
        self._open.close()

    def call(self, method: str, path: str, token: str | None = None, **more) -> httpx.Response:
        """A request with this token; the operator's otherwise."""
        headers = self.platform.headers(token or self.platform.operator_token)
        return self._client.request(method, path, headers=headers | more.pop("headers", {}), **more)

    def manage(self, method: str, path: str, body: dict | None = None) -> dict:
        """A request of the operator's that must succeed."""
        answer = self.call(method, path, **({} if body is None else {"json": body}))
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def server(self, dialect: Dialect) -> ProviderServer:
        """The one server of that dialect, whose key the platform keeps sealed."""
        if dialect.name not in self.servers:
            server = self._open.enter_context(ProviderServer(dialect))
            self.servers[dialect.name] = server
            body = {"name": dialect.name, "endpoint": server.url, "key": dialect.key}
            self.manage("POST", "/v1/admin/providers", body)
        return self.servers[dialect.name]

    def model(self, dialect: Dialect, scenario: str, **members) -> str:
        """A new model with one deployment that plays the scenario."""
        self.server(dialect)
        name = unique(f"{dialect.name}-{scenario.replace('.', '-')}")
        self.deploy(name, dialect, scenario, provider=dialect.name, **members)
        return name

    def deploy(self, model: str, dialect: Dialect, scenario: str, **members) -> dict:
        """Adds a deployment. It is the dialect's own server's where `members` name no endpoint."""
        body = {
            "model": model,
            "protocol": dialect.protocol,
            "upstream_model": dialect.model(scenario),
            "capabilities": CAPABILITIES,
        }
        return self.manage("POST", "/v1/admin/registry", body | members)

    def register(self, model: str, endpoint: str, *more: str, protocol: str = "openai") -> str:
        """Adds a deployment by the command that scripts use, and returns its identifier."""
        named = ("--model", model, "--endpoint", endpoint, "--protocol", protocol)
        done = self.platform.volery("registry", "register", *named, "--json", *more)
        assert done.code == 0, done.err
        return done.json()["id"]

    def ask(self, model: str, about: str = "good", **more) -> httpx.Response:
        body = {"model": model, "messages": QUESTION} | WITH.get(about.partition(".")[0], {}) | more
        return self.call("POST", "/v1/chat/completions", self.platform.key, json=body)

    def stream(self, model: str, about: str = "good", **more) -> "Stream":
        return Stream.read(self.ask(model, about, stream=True, **more))

    def ask_raw(self, model: str, stream: bool, **more) -> raw.Answer:
        """Reads whatever comes, whole or broken, until the connection closes."""
        body = {"model": model, "messages": QUESTION, "stream": stream} | more
        fields = ["content-type: application/json", "connection: close"]
        data = raw.request_bytes("POST", "/v1/chat/completions", self.platform.key, json.dumps(body).encode(), fields)
        return raw.send(self.platform.port, data)

    def row(self, request: str, seconds: float = 60) -> dict:
        """The request's usage row, which is written shortly after the answer."""

        def find() -> dict | None:
            # The newest first; nobody else asks beside a test.
            rows = self.call("GET", "/v1/usage/rows", params={"limit": 50}).json()["data"]
            return next((row for row in rows if row["request_id"] == request), None)

        return processes.wait_until(find, seconds, f"a usage row for {request}", interval=0.02)

    def attempts(self, request: str) -> list[dict]:
        """Every call to an upstream that the request made, in order. They are stored with its row."""
        self.row(request)
        names = ("number", "deployment_id", "upstream", "cost_state")
        # The only one stands in the usage row.
        question = """
            SELECT number, deployment_id, upstream, cost_state FROM attempt WHERE request_id = ?1
            UNION ALL
            SELECT 1, deployment_id, only_upstream, only_cost_state FROM usage
            WHERE request_id = ?1 AND only_cost_state IS NOT NULL
            ORDER BY 1
        """
        with sqlite3.connect(f"file:{self.platform.data_dir}/volery.db?mode=ro", uri=True) as database:
            rows = database.execute(question, (request,)).fetchall()
        return [dict(zip(names, row, strict=True)) for row in rows]


@dataclass
class Stream:
    """What a client read of a stream that ended well."""

    answer: httpx.Response
    chunks: list[dict]
    is_done: bool

    @staticmethod
    def read(answer: httpx.Response) -> "Stream":
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line[5:].strip() for line in answer.text.splitlines() if line.startswith("data:")]
        assert lines.count("[DONE]") <= 1 and "[DONE]" not in lines[:-1], "nothing comes after the end"
        is_done = bool(lines) and lines[-1] == "[DONE]"
        return Stream(answer, [json.loads(line) for line in lines if line != "[DONE]"], is_done)

    @property
    def deltas(self) -> list[dict]:
        return [chunk["choices"][0]["delta"] for chunk in self.chunks if chunk.get("choices")]

    def text(self, member: str = "content") -> str:
        return "".join(delta.get(member) or "" for delta in self.deltas)

    @property
    def finish(self) -> list[str]:
        reasons = [chunk["choices"][0].get("finish_reason") for chunk in self.chunks if chunk.get("choices")]
        return [reason for reason in reasons if reason]

    @property
    def usages(self) -> list[dict]:
        return [chunk["usage"] for chunk in self.chunks if chunk.get("usage")]

    @property
    def calls(self) -> list[tuple[str, str, dict]]:
        """Identifier, name and arguments of each call, put together by index."""
        made: dict[int, dict] = {}
        for delta in self.deltas:
            for part in delta.get("tool_calls") or []:
                call = made.setdefault(part["index"], {"id": None, "name": None, "arguments": ""})
                call["id"] = part.get("id") or call["id"]
                call["name"] = (part.get("function") or {}).get("name") or call["name"]
                call["arguments"] += (part.get("function") or {}).get("arguments") or ""
        return [(call["id"], call["name"], json.loads(call["arguments"])) for _, call in sorted(made.items())]
