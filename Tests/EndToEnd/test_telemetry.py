"""Logs and metrics: what they must say, and what they must never say."""

import json
import re

import httpx2 as httpx
import pytest
from harness import processes
from harness.upstream import Connection, Request


def log_lines(platform) -> list[dict]:
    # Whole ones: the last may be half written.
    whole = platform.stderr_file.read_text().rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]


def test_logs_are_json_lines_with_request_workspace_model_and_route(echo):
    request = echo.chat("demo-echo").headers["x-request-id"]
    line = processes.wait_until(
        lambda: next((line for line in log_lines(echo) if line.get("request_id") == request), None), 60, "a log line"
    )
    assert line["model"] == "demo-echo"
    assert line["workspace_id"].startswith("ws_")
    assert line["route"]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", line["time"]) and line["level"] == "info"


def test_no_prompt_no_answer_and_no_key_is_ever_logged(echo, upstream, model_at):
    prompt = "xyzzy-the-secret-plan"
    echo.chat("demo-echo", prompt)
    echo.chat("demo-echo", prompt, stream="wrong type")

    def fail(connection: Connection, request: Request) -> None:
        connection.answer({"error": {"message": f"cannot do {prompt}"}}, "500 Internal Server Error")

    upstream.script = fail
    request = echo.chat(model_at(upstream), prompt).headers["x-request-id"]
    echo.usage_of(request)
    assert prompt not in echo.output
    assert echo.key.rsplit("_", 1)[1] not in echo.stderr_file.read_text()


@pytest.mark.parametrize(
    "members",
    [
        {"messages": [{"role": "user", "content": [{"type": "bogus", "text": "xyzzy-refused-plan"}]}]},
        {"messages": [{"role": "user", "content": "x"}], "tools": [{"xyzzy-refused-plan": 1}]},
    ],
    ids=["content", "tools"],
)
def test_what_a_runtime_says_about_a_refused_request_is_not_logged(platform, members):
    answer = platform.post("/v1/chat/completions", {"model": "default", "max_tokens": 1} | members)
    platform.usage_of(answer.headers["x-request-id"])
    assert answer.status_code in (400, 502)
    assert "xyzzy-refused-plan" not in platform.output


@pytest.fixture
def metrics(echo):
    def read() -> str:
        answer = httpx.get(echo.metrics_url, timeout=30)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")
        return answer.text

    return read


def test_metrics_stand_on_a_port_of_their_own(echo, metrics):
    assert echo.metrics_url.endswith("/metrics")
    assert f":{echo.port}/" not in echo.metrics_url
    assert echo.get("/metrics").status_code == 404
    metrics()


def test_metrics_have_the_promised_names(echo, metrics):
    echo.chat("demo-echo", stream=True)
    text = processes.wait_until(
        lambda: page if "volery_request_duration_seconds_count" in (page := metrics()) else "",
        60,
        "a request is counted",
    )
    labels = r'\{[^}]*model="demo-echo"[^}]*status="succeeded"[^}]*'
    assert re.search(rf"^volery_request_duration_seconds_bucket{labels}", text, re.MULTILINE)
    assert re.search(rf"^volery_request_time_to_first_token_seconds_bucket{labels}", text, re.MULTILINE)
    for name in (
        "volery_tokens_total",
        "volery_requests_in_flight",
        "volery_journal_lag_records",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "volery_build_info",
    ):
        assert re.search(rf"^{name}[ {{]", text, re.MULTILINE), name


def test_metrics_are_well_formed(echo, metrics):
    echo.chat("demo-echo")
    types, last = {}, {}
    for line in metrics().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in types, f"{name} is announced twice"
            types[name] = kind
        elif line and not line.startswith("#"):
            sample = re.fullmatch(
                r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*",?)*\})? (\S+)', line
            )
            assert sample, line
            name, labels, value = sample.groups()
            float(value)
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            kind = types.get(name) or types.get(family)
            assert kind, f"{name} has no TYPE"
            assert kind != "counter" or name.endswith("_total"), name
            if name.endswith("_bucket") and labels:
                series = re.sub(r'le="[^"]*",?', "", labels)
                assert float(value) >= last.get((name, series), 0), f"buckets must grow: {line}"
                last[name, series] = float(value)


def test_what_callers_write_never_becomes_a_label(echo, metrics):
    for number in range(20):
        echo.chat(f"made-up-{number}")
    assert "made-up-" not in metrics()


def test_a_runtime_that_restarts_is_counted(platform):
    answer = httpx.get(platform.metrics_url, timeout=30)
    assert re.search(r"^volery_\w*restarts_total", answer.text, re.MULTILINE)
