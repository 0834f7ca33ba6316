"""Whatever an upstream does wrong, the caller gets a clear answer of the catalog, and the usage row says so."""

import json
import threading
import time

import pytest
from harness import processes, raw
from harness.upstream import Connection, Request, Upstream, completion, delta
from harness.volery import Platform

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    """Short limits, so that silence is noticed within a test."""
    running = Platform(
        tmp_path_factory.mktemp("faults") / "data",
        ("--no-default-models",),
        {
            "VOLERY_UPSTREAM_FIRST_BYTE_TIMEOUT": "2s",
            "VOLERY_UPSTREAM_IDLE_TIMEOUT": "2s",
            "VOLERY_UPSTREAM_CONNECT_TIMEOUT": "2s",
        },
    ).start()
    try:
        yield running
    finally:
        assert running.stop() == 0, running.output[-4000:]


def ask(echo, model: str, stream: bool = False) -> raw.Answer:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    return raw.send(
        echo.port,
        raw.request_bytes(
            "POST", CHAT, echo.key, json.dumps(body).encode(), ["content-type: application/json", "connection: close"]
        ),
    )


def check(echo, answer: raw.Answer, status: int, code: str, row_status: str) -> dict:
    assert answer.status == status, answer.body
    error = answer.json()["error"]
    assert error["code"] == code and error["hint"] and error["message"]
    row = echo.usage_of(answer.headers["x-request-id"])
    assert (row["status"], row["http_status"], row["error_code"]) == (row_status, status, code)
    assert row["output_tokens"] == 0
    return error


def test_refused(echo, upstream, model_at):
    model = model_at(upstream)
    upstream.close_listener()
    check(echo, ask(echo, model), 502, "UPSTREAM_UNREACHABLE", "failed")


@pytest.mark.parametrize("stream", [False, True])
def test_reset_before_headers(echo, upstream, model_at, stream):
    upstream.script = lambda connection, request: connection.reset()
    check(echo, ask(echo, model_at(upstream), stream), 502, "UPSTREAM_UNREACHABLE", "failed")


@pytest.mark.parametrize("stream", [False, True])
def test_silence_before_headers(echo, upstream, model_at, stream):
    upstream.script = lambda connection, request: connection.wait_for_close(30)
    check(echo, ask(echo, model_at(upstream), stream), 504, "UPSTREAM_TIMEOUT", "timed_out")


def test_a_rate_limit_is_passed_on_with_its_retry_after(echo, upstream, model_at):
    upstream.script = lambda connection, request: connection.answer(
        {"error": {"message": "slow down"}}, "429 Too Many Requests", Retry_After="17"
    )
    answer = ask(echo, model_at(upstream))
    check(echo, answer, 429, "UPSTREAM_RATE_LIMITED", "failed")
    assert answer.headers["retry-after"] == "17"


def test_an_html_page_of_an_error_is_not_leaked(echo, upstream, model_at):
    page = b"<html><h1>Traceback: secret-host.internal</h1></html>"
    upstream.script = lambda connection, request: connection.answer(
        page, "500 Internal Server Error", content_type="text/html"
    )
    answer = ask(echo, model_at(upstream))
    check(echo, answer, 502, "UPSTREAM_ERROR", "failed")
    assert b"secret-host" not in answer.body and b"<html>" not in answer.body


@pytest.mark.parametrize("body", [b'{"choices": [', b"not json", b"[]", b""])
def test_broken_json(echo, upstream, model_at, body):
    upstream.script = lambda connection, request: connection.answer(body)
    check(echo, ask(echo, model_at(upstream)), 502, "UPSTREAM_INVALID_RESPONSE", "failed")


def test_a_body_of_100_mb(echo, upstream, model_at):
    def flood(connection: Connection, request: Request) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(100):
            connection.chunk(b" " * (1 << 20))
        connection.end_stream()

    upstream.script = flood
    before = processes.resident_bytes(echo.process.pid)
    check(echo, ask(echo, model_at(upstream)), 502, "UPSTREAM_INVALID_RESPONSE", "failed")
    assert upstream.requests[0].connection.sent < 100 << 20, "it was read to its end"
    # The limit on one answer is 64 MiB; the rest leaves room for the allocator.
    assert processes.resident_bytes(echo.process.pid) - before < 160 << 20


@pytest.mark.parametrize("promised", [500, 5])
def test_a_wrong_content_length(echo, upstream, model_at, promised):
    def lie(connection: Connection, request: Request) -> None:
        connection.answer(json.dumps(completion(request))[:300].encode(), length=promised)
        connection.sock.close()

    upstream.script = lie
    answer = ask(echo, model_at(upstream))
    assert answer.status == 502
    assert answer.json()["error"]["code"] in ("UPSTREAM_INVALID_RESPONSE", "UPSTREAM_TRUNCATED")
    assert echo.usage_of(answer.headers["x-request-id"])["error_code"] == answer.json()["error"]["code"]


def test_something_that_is_no_http(echo, upstream, model_at):
    upstream.script = lambda connection, request: connection.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n" * 4)
    answer = ask(echo, model_at(upstream))
    assert answer.status == 502
    assert answer.json()["error"]["code"] in ("UPSTREAM_INVALID_RESPONSE", "UPSTREAM_UNREACHABLE")


def cut(connection: Connection, request: Request) -> None:
    connection.begin_stream()
    for word in ("one ", "two "):
        connection.event(delta(request, word))
    connection.sock.close()


def fall_silent(connection: Connection, request: Request) -> None:
    connection.begin_stream()
    for word in ("one ", "two "):
        connection.event(delta(request, word))
    connection.wait_for_close(30)


def end_without_done(connection: Connection, request: Request) -> None:
    connection.begin_stream()
    for word in ("one ", "two "):
        connection.event(delta(request, word))
    connection.end_stream()


def report_an_error(connection: Connection, request: Request) -> None:
    connection.begin_stream()
    for word in ("one ", "two "):
        connection.event(delta(request, word))
    connection.event({"error": {"message": "out of memory at 0xdead", "code": 500}})
    connection.end_stream()


def send_garbage(connection: Connection, request: Request) -> None:
    connection.begin_stream()
    for word in ("one ", "two "):
        connection.event(delta(request, word))
    connection.event("this is no json")
    connection.end_stream()


@pytest.mark.parametrize(
    "script, code",
    [
        (cut, "UPSTREAM_TRUNCATED"),
        (fall_silent, "UPSTREAM_TIMEOUT"),
        (end_without_done, "UPSTREAM_TRUNCATED"),
        (report_an_error, "UPSTREAM_ERROR"),
        (send_garbage, "UPSTREAM_INVALID_RESPONSE"),
    ],
)
def test_a_stream_that_breaks_ends_with_an_error_event_and_never_looks_complete(echo, upstream, model_at, script, code):
    upstream.script = script
    answer = ask(echo, model_at(upstream), stream=True)
    assert answer.status == 200, answer.body
    text = answer.body.decode()
    assert "one " in text and "two " in text, "what came before the break reaches the client"
    assert "[DONE]" not in text
    assert f'"code":"{code}"' in text.replace('": "', '":"'), text
    assert "0xdead" not in text
    row = echo.usage_of(answer.headers["x-request-id"])
    assert row["error_code"] == code
    assert row["status"] == ("timed_out" if code == "UPSTREAM_TIMEOUT" else "truncated")
    assert row["output_tokens"] == 2 and row["token_source"] != "provider", "what was produced is counted"


def test_the_official_client_sees_a_broken_stream_as_an_error(echo, upstream, model_at):
    import openai

    upstream.script = cut
    model = model_at(upstream)
    with pytest.raises(openai.APIError):
        for _ in echo.client().chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Hi"}], stream=True
        ):
            pass


def test_a_stream_that_never_begins_is_an_error_with_a_status(echo, upstream, model_at):
    def silent_after_headers(connection: Connection, request: Request) -> None:
        connection.begin_stream()
        connection.wait_for_close(30)

    upstream.script = silent_after_headers
    answer = ask(echo, model_at(upstream), stream=True)
    check(echo, answer, 504, "UPSTREAM_TIMEOUT", "timed_out")


def test_an_idle_connection_that_the_upstream_closed_costs_no_request(echo, upstream, model_at):
    closed = threading.Semaphore(0)

    def answer_and_close_later(connection: Connection, request: Request) -> None:
        connection.answer(completion(request))
        time.sleep(0.2)
        connection.sock.close()
        closed.release()

    upstream.script = answer_and_close_later
    model = model_at(upstream)
    for _ in range(3):
        assert ask(echo, model).status == 200
        assert closed.acquire(timeout=60)


def test_one_bad_upstream_leaves_the_others_alone(echo, upstream, model_at):
    bad = model_at(upstream)
    upstream.script = lambda connection, request: connection.reset()
    with Upstream() as healthy:
        good = model_at(healthy)
        for _ in range(5):
            # After five failures it is left alone for a time.
            assert ask(echo, bad).status in (502, 503)
            assert ask(echo, good).status == 200
