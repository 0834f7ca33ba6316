"""Every provider that speaks OpenAI's protocol, in its own way: what it says reaches the caller, is counted, and what
it does wrong is told in the catalog's words. The providers are scripted from their public documentation."""

import json
from collections.abc import Iterator

import pytest
from harness.searching import Search
from harness.volery import Platform
from providers import OPENAI_COMPATIBLE, TGI, TURNS, OpenAI, OpenRouter
from providers.dialect import LIMIT, MARK, TOO_LONG, WAIT, Dialect
from providers.framing import STREAM_FRAMINGS, WHOLE_FRAMINGS
from providers.openrouter import COST
from providers.scenarios import HUGE
from providers.stage import TOOLS, Stage, Stream

#: Seconds that an upstream may be silent. Longer than `slow`, short enough to wait for.
LIMITS = {
    "VOLERY_UPSTREAM_FIRST_BYTE_TIMEOUT": "4s",
    "VOLERY_UPSTREAM_IDLE_TIMEOUT": "2s",
    "VOLERY_UPSTREAM_CONNECT_TIMEOUT": "2s",
}
every_dialect = pytest.mark.parametrize("dialect", OPENAI_COMPATIBLE, ids=lambda dialect: dialect.name)
every_way = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
ASKED = {"stream_options": {"include_usage": True}}


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    running = Platform(tmp_path_factory.mktemp("conformance") / "data", ("--no-default-models",), LIMITS).start()
    stage = Stage(running)
    try:
        yield stage
    finally:
        stage.close()
        assert running.stop() == 0, running.output[-4000:]
    faults = {name: server.faults for name, server in stage.servers.items() if server.faults}
    assert not faults, f"requests that break a provider's rules: {faults}"


def check_row(stage: Stage, request: str, dialect: Dialect, scenario: str) -> None:
    turn = TURNS[scenario]
    row = stage.row(request)
    assert (row["status"], row["http_status"], row["error_code"]) == ("succeeded", 200, None)
    assert (row["input_tokens"], row["output_tokens"]) == (turn.prompt, turn.answer)
    assert row["token_source"] == "provider"
    cached = turn.cached if dialect.tells_cached else 0
    thought = turn.thought if dialect.tells_thought else 0
    assert (row["cached_tokens"], row["reasoning_tokens"]) == (cached, thought)
    assert [attempt["cost_state"] for attempt in stage.attempts(request)] == ["confirmed"]
    # The provider's own name for the answer, by which its bill can be checked.
    assert stage.attempts(request)[0]["upstream"] == (dialect.identifier or None)


# MARK: What works


@every_dialect
@pytest.mark.parametrize("scenario", TURNS)
def test_a_whole_answer_carries_over(stage, dialect, scenario):
    turn, model = TURNS[scenario], stage.model(dialect, scenario)
    answer = stage.ask(model, scenario)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    message = body["choices"][0]["message"]
    assert body["model"] == model, "the caller's name of it, not the provider's"
    assert (message["content"] or "") == turn.text
    assert body["choices"][0]["finish_reason"] == turn.finish
    if dialect.thoughts and turn.thoughts:
        assert message[dialect.thoughts] == turn.thinking
    functions = [(call["id"], call["function"]) for call in message.get("tool_calls", [])]
    made = [(identifier, function["name"], function["arguments"]) for identifier, function in functions]
    assert made == [(call.id, call.name, "".join(call.pieces)) for call in turn.calls]
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (turn.prompt, turn.answer)
    check_row(stage, answer.headers["x-request-id"], dialect, scenario)


@every_dialect
@pytest.mark.parametrize("scenario", TURNS)
@pytest.mark.parametrize("asked", [True, False], ids=["usage", "no-usage"])
def test_a_stream_carries_over(stage, dialect, scenario, asked):
    turn, model = TURNS[scenario], stage.model(dialect, scenario)
    said = stage.stream(model, scenario, **(ASKED if asked else {}))
    check_stream(said, dialect, scenario, model)
    if asked:
        assert [(usage["prompt_tokens"], usage["completion_tokens"]) for usage in said.usages] == [
            (turn.prompt, turn.answer)
        ]
    else:
        assert said.usages == [] and all(chunk["choices"] for chunk in said.chunks)
    check_row(stage, said.answer.headers["x-request-id"], dialect, scenario)


def check_stream(said: Stream, dialect: Dialect, scenario: str, model: str) -> None:
    turn = TURNS[scenario]
    assert said.is_done
    assert {chunk["model"] for chunk in said.chunks} == {model}
    assert said.text() == turn.text
    assert said.finish == [turn.finish]
    if dialect.thoughts:
        assert said.text(dialect.thoughts) == turn.thinking
    assert said.calls == [(call.id, call.name, call.arguments) for call in turn.calls]


@every_dialect
@pytest.mark.parametrize("framing", STREAM_FRAMINGS)
def test_a_stream_reads_the_same_however_it_is_cut_and_framed(stage, dialect, framing):
    scenario = "tools" if framing == "halves" else "good"
    model = stage.model(dialect, f"{scenario}.{framing}")
    said = stage.stream(model, scenario)
    check_stream(said, dialect, scenario, model)
    check_row(stage, said.answer.headers["x-request-id"], dialect, scenario)


@every_dialect
@pytest.mark.parametrize("framing", WHOLE_FRAMINGS)
def test_a_whole_answer_reads_the_same_however_it_is_framed(stage, dialect, framing):
    answer = stage.ask(stage.model(dialect, f"good.{framing}"))
    assert answer.json()["choices"][0]["message"]["content"] == TURNS["good"].text
    check_row(stage, answer.headers["x-request-id"], dialect, "good")


@every_dialect
@every_way
def test_a_slow_provider_is_waited_for(stage, dialect, stream):
    model = stage.model(dialect, "slow")
    if stream:
        assert stage.stream(model).text() == TURNS["good"].text
    else:
        assert stage.ask(model).json()["choices"][0]["message"]["content"] == TURNS["good"].text


@every_way
def test_an_event_of_a_megabyte_passes(stage, stream):
    model = stage.model(OpenAI(), "huge-event")
    text = stage.stream(model).text() if stream else stage.ask(model).json()["choices"][0]["message"]["content"]
    assert len(text) == HUGE + 4 and text.endswith("x end")


@every_dialect
def test_the_official_client_reads_tool_calls(stage, dialect):
    model = stage.model(dialect, "tools")
    messages = [{"role": "user", "content": "What is it?"}]
    answer = stage.platform.client().chat.completions.create(model=model, messages=messages, tools=TOOLS)
    wanted = [(call.id, call.name, call.arguments) for call in TURNS["tools"].calls]
    calls = answer.choices[0].message.tool_calls
    assert [(call.id, call.function.name, json.loads(call.function.arguments)) for call in calls] == wanted


@every_dialect
def test_what_a_caller_sent_reaches_the_provider_with_its_own_name_for_the_model(stage, dialect):
    model = stage.model(dialect, "good")
    more = {"temperature": 0.25, "top_k": 40, "seed": 7, "stop": ["\n"], "user": "someone"}
    assert stage.ask(model, **more).status_code == 200
    sent = stage.server(dialect).chats[-1].json()
    assert sent == {"model": dialect.model("good"), "messages": [{"role": "user", "content": "What is it?"}]} | more
    assert stage.stream(model).is_done
    assert stage.server(dialect).chats[-1].json()["stream_options"] == {"include_usage": True}


def test_what_openrouter_says_beside_openais_members_reaches_the_caller(stage):
    body = stage.ask(stage.model(OpenRouter(), "good")).json()
    assert body["provider"] == "Azure" and body["choices"][0]["native_finish_reason"] == "stop"
    assert body["usage"]["cost"] == COST


# MARK: What a provider refuses


@every_dialect
@every_way
@pytest.mark.parametrize(
    "kind, statuses, codes, cost",
    [
        # The platform's own key, credit or model's name is wrong there; the caller could not put that right.
        ("wrong-key", {502}, {"UPSTREAM_ERROR"}, "none"),
        ("no-credit", {502}, {"UPSTREAM_ERROR"}, "none"),
        ("no-model", {502}, {"UPSTREAM_ERROR"}, "none"),
        ("rate-limited", {429}, {"UPSTREAM_RATE_LIMITED"}, "none"),
        ("rate-limited-date", {429}, {"UPSTREAM_RATE_LIMITED"}, "none"),
        ("failed", {502}, {"UPSTREAM_ERROR"}, "unknown"),
        ("unavailable", {503}, {"PROVIDER_DEGRADED"}, "none"),
        # 529 is no status of HTTP's registry: a failure, or better, what it means.
        ("overloaded", {502, 503}, {"UPSTREAM_ERROR", "PROVIDER_DEGRADED"}, None),
    ],
)
def test_a_refusal_becomes_an_error_of_the_catalog(stage, dialect, stream, kind, statuses, codes, cost):
    answer = stage.ask(stage.model(dialect, kind), stream=stream)
    error = answer.json()["error"]
    assert answer.status_code in statuses and error["code"] in codes, answer.text
    assert error["hint"] and error["request_id"] == answer.headers["x-request-id"]
    assert MARK not in answer.text, "the provider's words about its own state are not the caller's"
    if kind == "rate-limited":
        assert answer.headers["retry-after"] == str(WAIT)
    if answer.status_code in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    row = stage.row(answer.headers["x-request-id"])
    assert (row["status"], row["error_code"]) == ("failed", error["code"])
    assert (row["input_tokens"], row["output_tokens"]) == (0, 0)
    if cost:
        assert stage.attempts(answer.headers["x-request-id"])[-1]["cost_state"] == cost


@every_dialect
@every_way
def test_a_prompt_that_is_too_long_is_the_callers_to_put_right(stage, dialect, stream):
    answer = stage.ask(stage.model(dialect, "context"), stream=stream)
    error = answer.json()["error"]
    assert answer.status_code == 400, answer.text
    assert error["code"] in ("CONTEXT_LENGTH_EXCEEDED", "UPSTREAM_REJECTED")
    if dialect.name == "llama-cpp":
        assert error["code"] == "CONTEXT_LENGTH_EXCEEDED"
        assert (error["prompt_tokens"], error["context_limit"]) == (TOO_LONG, LIMIT)
    row = stage.row(answer.headers["x-request-id"])
    assert (row["status"], row["http_status"], row["output_tokens"]) == ("rejected", 400, 0)
    assert stage.attempts(answer.headers["x-request-id"])[-1]["cost_state"] == "none"


# MARK: What breaks before an answer began


@every_dialect
@every_way
@pytest.mark.parametrize(
    "scenario, status, code",
    [
        ("reset", 502, "UPSTREAM_UNREACHABLE"),
        ("page-500", 502, "UPSTREAM_ERROR"),
        ("page-502", 502, "UPSTREAM_ERROR"),
        ("page-200", 502, "UPSTREAM_INVALID_RESPONSE"),
        ("wrong-type", 502, "UPSTREAM_INVALID_RESPONSE"),
        ("empty", 502, "UPSTREAM_INVALID_RESPONSE"),
    ],
)
def test_what_is_no_answer_is_an_error_with_a_status(stage, dialect, stream, scenario, status, code):
    answer = stage.ask(stage.model(dialect, scenario), stream=stream)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert MARK not in answer.text and "<html" not in answer.text
    row = stage.row(answer.headers["x-request-id"])
    assert (row["status"], row["http_status"], row["error_code"]) == ("failed", status, code)
    assert (row["input_tokens"], row["output_tokens"]) == (0, 0)
    # It was sent, and nobody said that it costs nothing.
    assert stage.attempts(answer.headers["x-request-id"])[-1]["cost_state"] == "unknown"


@every_dialect
def test_an_error_in_a_streams_first_event_is_an_error_with_a_status(stage, dialect):
    answer = stage.ask(stage.model(dialect, "error-first"), stream=True)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "UPSTREAM_ERROR"), answer.text
    assert MARK not in answer.text
    assert stage.row(answer.headers["x-request-id"])["status"] == "failed"


@every_dialect
@pytest.mark.parametrize("scenario", ["broken-json", "error-midway", "cut"])
def test_half_an_answer_is_none(stage, dialect, scenario):
    answer = stage.ask(stage.model(dialect, scenario))
    codes = ("UPSTREAM_INVALID_RESPONSE", "UPSTREAM_TRUNCATED", "UPSTREAM_ERROR")
    assert answer.status_code == 502 and answer.json()["error"]["code"] in codes, answer.text
    assert MARK not in answer.text
    row = stage.row(answer.headers["x-request-id"])
    assert row["error_code"] == answer.json()["error"]["code"] and row["status"] in ("failed", "truncated")
    assert row["output_tokens"] == 0


@pytest.mark.parametrize("dialect", [OpenAI(), TGI()], ids=lambda dialect: dialect.name)
@every_way
@pytest.mark.parametrize("scenario", ["silent", "silent-midway"])
def test_silence_has_a_limit(stage, dialect, stream, scenario):
    answer = stage.ask_raw(stage.model(dialect, scenario), stream)
    begun = stream and scenario == "silent-midway"
    assert answer.status == (200 if begun else 504)
    assert b"UPSTREAM_TIMEOUT" in answer.body and b"[DONE]" not in answer.body
    row = stage.row(answer.headers["x-request-id"])
    assert (row["status"], row["error_code"]) == ("timed_out", "UPSTREAM_TIMEOUT")
    assert row["output_tokens"] == (2 if begun else 0)


# MARK: What breaks in the middle


@every_dialect
@pytest.mark.parametrize(
    "scenario, code",
    [
        ("error-midway", "UPSTREAM_ERROR"),
        ("error-midway.together", "UPSTREAM_ERROR"),
        ("error-midway.crlf", "UPSTREAM_ERROR"),
        ("no-end", "UPSTREAM_TRUNCATED"),
        ("no-end.until-close", "UPSTREAM_TRUNCATED"),
        ("cut", "UPSTREAM_TRUNCATED"),
        ("broken-json", "UPSTREAM_INVALID_RESPONSE"),
    ],
)
def test_a_stream_that_breaks_ends_with_an_error_event_and_never_looks_complete(stage, dialect, scenario, code):
    answer = stage.ask_raw(stage.model(dialect, scenario), stream=True)
    assert answer.status == 200, answer.body
    text = answer.body.decode()
    events = [line[6:] for line in text.splitlines() if line.startswith("data: {")]
    assert "Hello" in text, "what came before the break reaches the caller"
    assert json.loads(events[-1])["error"]["code"] == code
    assert "[DONE]" not in text and MARK not in text
    row = stage.row(answer.headers["x-request-id"])
    assert (row["status"], row["http_status"], row["error_code"]) == ("truncated", 200, code)
    assert row["output_tokens"] == 2 and row["token_source"] == "estimated", "what was produced is counted"
    assert stage.attempts(answer.headers["x-request-id"])[-1]["cost_state"] == "estimated"


@pytest.mark.parametrize("dialect", [OpenAI(), TGI()], ids=lambda dialect: dialect.name)
def test_an_event_beyond_all_measure_ends_the_stream(stage, dialect):
    answer = stage.ask_raw(stage.model(dialect, "event-beyond"), stream=True)
    # The chunk with the role went out before it where there is one.
    assert answer.status == (200 if dialect.roles else 502)
    assert b"UPSTREAM_INVALID_RESPONSE" in answer.body and b"[DONE]" not in answer.body


# MARK: Keys


@every_dialect
def test_a_providers_key_goes_to_its_own_place_in_its_own_header(stage, dialect):
    server = stage.server(dialect)
    assert stage.ask(stage.model(dialect, "good")).status_code == 200
    sent = server.requests[-1]
    assert sent.headers["authorization"] == f"Bearer {dialect.key}"
    elsewhere = {name: value for name, value in sent.headers.items() if name != "authorization"}
    assert dialect.key not in str(elsewhere) + sent.path + sent.body.decode()
    assert stage.platform.key not in str(sent.headers), "a caller's key never leaves"


# The last one: it looks through everything that the tests before it left.
def test_keys_are_in_no_log_no_file_and_no_other_providers_request(stage):
    search = Search()
    for dialect in OPENAI_COMPATIBLE:
        stage.server(dialect)
        search.add(dialect.name, dialect.key, f"asked {dialect.name}")
    assert stage.ask(stage.model(OpenAI(), "wrong-key")).status_code == 502
    found = search.found("output", stage.platform.output)
    found += search.in_folder(stage.platform.data_dir)
    found += search.in_processes(stage.platform.process.pid)
    for name, server in stage.servers.items():
        found += search.found(f"asked {name}", "\n".join(str(request) for request in server.requests))
    assert not found
