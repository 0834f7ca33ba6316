"""A client that leaves, and a client that stops reading."""

import json
import time

import pytest
from harness import processes, raw
from harness.streams import open_stream
from harness.upstream import Connection, Request, delta


def silent_after(words: int):
    """A script that sends some words and is then silent until the other side closes; it notes when that was."""

    def script(connection: Connection, request: Request) -> None:
        if words:
            connection.begin_stream()
        for _ in range(words):
            connection.event(delta(request, "word "))
        connection.wait_for_close(30)
        connection.closed_at = time.monotonic()

    return script


def row_of(echo, model: str) -> dict:
    """The one row of a model that was asked once."""
    return processes.wait_until(
        lambda: next((row for row in echo.usage_rows() if row["model"] == model), None), 60, "its usage row"
    )


def test_the_upstream_closes_at_once_when_a_client_leaves_a_silent_stream(echo, upstream, model_at):
    upstream.script = silent_after(2)
    model = model_at(upstream)
    with open_stream(echo, model) as sock:
        data = b""
        while data.count(b"word") < 2:
            data += sock.recv(65536)
    left, lost = time.monotonic(), processes.time_lost(echo.process.pid)
    connection = upstream.requests[0].connection
    processes.wait_until(
        lambda: hasattr(connection, "closed_at"), 60, "the upstream's connection closes", interval=0.001
    )
    # Benchmarks/disconnect measures this apart from the tests, against the promised 100 ms.
    assert connection.closed_at - left < 0.5 + lost()
    row = row_of(echo, model)
    assert row["status"] == "client_closed"
    assert row["output_tokens"] == 2 and row["token_source"] == "estimated"


@pytest.mark.parametrize("leave", [raw.leave_abruptly, raw.leave_politely])
def test_the_upstream_closes_at_once_when_a_client_leaves_before_any_answer(echo, upstream, model_at, leave):
    upstream.script = silent_after(0)
    model = model_at(upstream)
    sock = open_stream(echo, model)
    processes.wait_until(lambda: upstream.requests, 60, "the upstream was asked")
    leave(sock)
    left, lost = time.monotonic(), processes.time_lost(echo.process.pid)
    connection = upstream.requests[0].connection
    processes.wait_until(
        lambda: hasattr(connection, "closed_at"), 60, "the upstream's connection closes", interval=0.001
    )
    assert connection.closed_at - left < 0.5 + lost()
    row = row_of(echo, model)
    assert (row["status"], row["http_status"], row["output_tokens"]) == ("client_closed", 0, 0)


def test_a_client_that_stops_reading_pauses_the_upstream_and_memory_stays_flat(echo, upstream, model_at):
    event = "x" * 16_000
    target = 80 << 20

    def flood(connection: Connection, request: Request) -> None:
        connection.begin_stream()
        while connection.sent < target:
            connection.event(delta(request, event))
        connection.event(delta(request, None, "stop"))
        connection.event("[DONE]")
        connection.end_stream()

    upstream.script = flood
    before = processes.resident_bytes(echo.process.pid)
    with open_stream(echo, model_at(upstream)) as sock:
        sock.recv(1000)
        connection = upstream.requests[0].connection

        def has_stopped() -> bool:
            sent = connection.sent
            time.sleep(0.5)
            return sent > 0 and connection.sent == sent

        processes.wait_until(has_stopped, 60, "the upstream is paused", interval=0)
        held = connection.sent
        grown = processes.resident_bytes(echo.process.pid) - before
        # What is in flight stands in the kernel's socket buffers, on both sides.
        assert held < 40 << 20, f"{held >> 20} MiB were taken from the upstream and nobody read them"
        assert grown < 24 << 20, f"memory grew by {grown >> 20} MiB"
        # Reading again lets it flow again, to the end.
        tail = b""
        while not tail.endswith(b"0\r\n\r\n"):
            data = sock.recv(1 << 20)
            assert data, "the connection closed before the end"
            tail = (tail + data)[-200:]
        assert b"[DONE]" in tail
    assert connection.sent >= target
    assert processes.resident_bytes(echo.process.pid) - before < 24 << 20


def test_two_requests_on_one_connection_are_answered_in_order(echo):
    body = json.dumps({"model": "demo-echo", "messages": [{"role": "user", "content": "first"}]}).encode()
    other = json.dumps({"model": "demo-echo", "messages": [{"role": "user", "content": "second"}]}).encode()
    requests = (
        raw.request_bytes("POST", "/v1/chat/completions", echo.key, body)
        + raw.request_bytes("GET", "/livez", echo.key)
        + raw.request_bytes("POST", "/v1/chat/completions", echo.key, other)
        + raw.request_bytes("GET", "/livez", echo.key, headers=["connection: close"])
    )
    with raw.connect(echo.port) as sock:
        sock.sendall(requests)
        data = b""
        while more := sock.recv(65536):
            data += more
    assert data.count(b"HTTP/1.1 200") == 4
    assert data.index(b"first") < data.index(b"second")
    assert data.count(b'"live"') == 2


def test_the_gateway_asks_the_upstream_for_usage_and_names_the_model_as_the_upstream_does(echo, upstream, model_at):
    model = model_at(upstream, "--upstream-model", "their-name")
    text = "".join(
        chunk.choices[0].delta.content or ""
        for chunk in echo.client().chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Hi"}], stream=True, extra_body={"top_k": 40}
        )
        if chunk.model == model and chunk.choices
    )
    assert text == "one two three"
    sent = upstream.requests[0].json()
    assert sent["model"] == "their-name"
    assert sent["stream_options"] == {"include_usage": True}
    assert sent["top_k"] == 40, "what the gateway does not know passes through"
    assert "authorization" not in upstream.requests[0].headers, "a key of ours never leaves"


def test_a_whole_answer_names_the_model_as_the_caller_knows_it(echo, upstream, model_at):
    model = model_at(upstream, "--upstream-model", "their-name")
    answer = echo.chat(model)
    assert answer.json()["model"] == model
    assert answer.json()["choices"][0]["message"]["content"] == "four"
    row = echo.usage_of(answer.headers["x-request-id"])
    assert (row["input_tokens"], row["output_tokens"]) == (7, 3)
