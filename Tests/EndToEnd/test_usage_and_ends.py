"""Usage survives what the process does not; what the platform started dies with it."""

import json
import os
import signal
import threading
import time

import pytest
from harness import processes, raw
from harness.streams import open_stream
from harness.upstream import Connection, Request, delta


def test_every_finished_request_has_one_row(fresh):
    platform = fresh().start()
    asked = {platform.chat("demo-echo", f"number {n}").headers["x-request-id"] for n in range(10)}
    assert platform.chat("no-such-model").status_code == 404
    processes.wait_until(lambda: len(platform.usage_rows()) >= 10, 60, "ten rows")
    rows = platform.usage_rows()
    assert sorted(row["request_id"] for row in rows) == sorted(asked)
    for row in rows:
        assert (row["model"], row["status"], row["operation"]) == ("demo-echo", "succeeded", "chat")
        assert row["input_tokens"] == 2 and row["output_tokens"] > 5
        assert row["key_id"].startswith("key_") and row["workspace_id"].startswith("ws_")


def test_usage_of_completed_answers_survives_kill_9(fresh):
    platform = fresh().start()
    asked = set()
    for number in range(30):
        answer = platform.chat("demo-echo", f"number {number}", max_tokens=2)
        assert answer.status_code == 200
        asked.add(answer.headers["x-request-id"])
    platform.process.kill()
    platform.process.wait(10)
    platform.start()
    processes.wait_until(
        lambda: asked <= {row["request_id"] for row in platform.usage_rows()}, 60, "every row is there"
    )
    rows = [row["request_id"] for row in platform.usage_rows()]
    assert len(rows) == len(set(rows)), "no row is there twice"


def test_usage_written_while_stopped_is_shown_by_the_command_line(fresh):
    platform = fresh().start()
    request = platform.chat("demo-echo").headers["x-request-id"]
    assert platform.stop() == 0
    assert request in [row["request_id"] for row in platform.usage_rows()]


def slow_words(count: int, pause: float):
    def script(connection: Connection, request: Request) -> None:
        connection.begin_stream()
        for _ in range(count):
            connection.event(delta(request, "word "))
            time.sleep(pause)
        connection.event(delta(request, None, "stop"))
        connection.event("[DONE]")
        connection.end_stream()

    return script


def register(platform, upstream, name: str = "slow") -> None:
    result = platform.volery(
        "registry", "register", "--model", name, "--endpoint", upstream.url, "--protocol", "openai"
    )
    assert result.code == 0, result.err


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_open_stream_is_finished_before_the_platform_ends(fresh, upstream, sign):
    platform = fresh().start()
    register(platform, upstream)
    upstream.script = slow_words(20, 0.1)
    with open_stream(platform, "slow") as sock:
        data = sock.recv(65536)
        ended: list[int] = []
        waiting = threading.Thread(target=lambda: ended.append(platform.stop(sign)))
        waiting.start()

        def is_closed_to_newcomers() -> bool:
            try:
                return platform.chat("demo-echo").status_code == 503
            except Exception:
                return True

        processes.wait_until(is_closed_to_newcomers, 60, "new requests are turned away")
        while more := sock.recv(65536):
            data += more
        waiting.join(60)
    assert data.count(b"word ") == 20 and b"[DONE]" in data
    assert ended == [0], platform.output[-3000:]
    [row] = [row for row in platform.usage_rows() if row["model"] == "slow"]
    assert row["status"] == "succeeded"


def test_a_stream_that_outlives_the_drain_limit_ends_with_an_error_event(fresh, upstream):
    platform = fresh(environment={"VOLERY_DRAIN_TIMEOUT": "1s"}).start()
    register(platform, upstream)
    upstream.script = slow_words(200, 0.1)
    with open_stream(platform, "slow") as sock:
        data = sock.recv(65536)
        platform.process.send_signal(signal.SIGINT)
        while more := sock.recv(65536):
            data += more
    assert b"SHUTTING_DOWN" in data and b"[DONE]" not in data
    assert platform.process.wait(60) == 0
    row = platform.usage_rows()[0]
    assert row["error_code"] == "SHUTTING_DOWN" and row["output_tokens"] > 0


def test_kill_9_of_the_platform_leaves_no_child(downloads, fresh, tmp_path):
    from conftest import copy_downloads

    data_dir = tmp_path / "killed"
    copy_downloads(downloads, data_dir)
    platform = fresh(data_dir=data_dir)
    platform.arguments = ()
    platform.start()
    platform.wait_for_model("default")
    children = processes.descendants(platform.process.pid)
    assert len(children) >= 2, "the runtimes run as children"
    os.kill(platform.process.pid, signal.SIGKILL)
    platform.process.wait(10)
    processes.wait_until(
        lambda: not [pid for pid in children if processes.is_alive(pid)],
        60,
        f"the children end: {[processes.command_line(pid) for pid in children]}",
    )
    # What was started after the look as well.
    processes.wait_until(lambda: not processes.started_for(data_dir), 60, "nothing of it is left")


def test_ctrl_c_leaves_no_child(downloads, fresh, tmp_path):
    from conftest import copy_downloads

    data_dir = tmp_path / "stopped"
    copy_downloads(downloads, data_dir)
    platform = fresh(data_dir=data_dir)
    platform.arguments = ()
    platform.start()
    platform.wait_for_model("default")
    children = processes.descendants(platform.process.pid)
    assert platform.stop(signal.SIGINT) == 0
    assert [pid for pid in children if processes.is_alive(pid)] == []
    assert processes.started_for(data_dir) == {}


def test_a_runtime_that_is_killed_comes_back(downloads, fresh, tmp_path):
    from conftest import copy_downloads

    data_dir = tmp_path / "revived"
    copy_downloads(downloads, data_dir)
    platform = fresh(data_dir=data_dir)
    platform.arguments = ()
    platform.start()
    platform.wait_for_model("default")

    def runtime() -> dict:
        rows = platform.volery("runtimes", "list", "--json").json()
        return next(row for row in rows if "default" in row["aliases"])

    before = runtime()
    os.kill(before["pid"], signal.SIGKILL)
    processes.wait_until(
        lambda: (now := runtime())["restarts"] > before["restarts"] and now["state"] == "ready",
        60,
        "the runtime is ready again",
        interval=0.2,
    )
    assert platform.chat("default", max_tokens=3).status_code == 200
    assert platform.stop() == 0


@pytest.mark.long
def test_usage_survives_many_kills_under_load(fresh):
    platform = fresh()
    answered: set[str] = set()
    for _ in range(10):
        platform.start()
        stop = threading.Event()

        def load(stop: threading.Event = stop) -> None:
            while not stop.is_set():
                try:
                    answer = platform.chat("demo-echo", "x", max_tokens=1)
                except Exception:
                    return
                if answer.status_code == 200:
                    answered.add(answer.headers["x-request-id"])

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        platform.process.kill()
        stop.set()
        for thread in threads:
            thread.join(40)
        platform.process.wait(10)
    platform.start()
    processes.wait_until(
        lambda: platform.volery("usage", "--json").json() and _all_rows(platform) >= answered, 60, "every row"
    )


def _all_rows(platform) -> set[str]:
    rows, after = [], None
    while True:
        more = {"after": after} if after else {}
        page = platform.get(
            "/v1/admin/usage", key=platform.operator_token, params={"each": "true", "limit": 1000, **more}
        ).json()
        rows += [row["request_id"] for row in page["data"]]
        if not page["has_more"]:
            assert len(rows) == len(set(rows))
            return set(rows)
        after = page["last_id"]


def test_a_half_written_request_at_shutdown_keeps_nobody_waiting(fresh):
    platform = fresh().start()
    with raw.connect(platform.port) as sock:
        body = json.dumps({"model": "demo-echo", "messages": []}).encode()
        sock.sendall(raw.request_bytes("POST", "/v1/chat/completions", platform.key, body)[:-5])
        began = time.monotonic()
        assert platform.stop() == 0
        # Half of what running answers are given.
        assert time.monotonic() - began < 15
