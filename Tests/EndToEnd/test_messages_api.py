"""Anthropic's official client, unchanged, in front of every kind of provider."""

import json
from collections.abc import Iterator

import anthropic
import httpx2 as httpx
import pytest
from harness.volery import Platform
from providers import TURNS, VLLM, Anthropic, Dialect, OpenAI
from providers.anthropic import NEWER, OLDER, SIGNATURE, STOP_REASONS
from providers.dialect import LIMIT, MARK, TOO_LONG, WAIT
from providers.framing import STREAM_FRAMINGS
from providers.stage import Stage
from providers.turns import PICTURE

LIMITS = {
    "VOLERY_UPSTREAM_FIRST_BYTE_TIMEOUT": "4s",
    "VOLERY_UPSTREAM_IDLE_TIMEOUT": "2s",
    "VOLERY_FAILED_CREDENTIAL_LIMIT": "0",
}
CLAUDE = Anthropic()
DIALECTS = (CLAUDE, OpenAI(), VLLM())
TOOLS = [{"name": name, "description": name, "input_schema": {"type": "object"}} for name in ("weather", "time")]
SOURCE = {"type": "base64", "media_type": "image/png", "data": PICTURE}
QUESTION = [{"role": "user", "content": "What is it?"}]
#: What a request has beside its question, so that it brings along what a scenario is about.
WITH = {
    "tools": {"tools": TOOLS},
    "picture": {"messages": [{"role": "user", "content": [{"type": "image", "source": SOURCE}]}]},
}
CARRIED = [name for name in TURNS if name != "schema"]
every_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
translated = pytest.mark.parametrize("dialect", DIALECTS[1:], ids=lambda dialect: dialect.name)
every_way = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    running = Platform(tmp_path_factory.mktemp("messages") / "data", ("--no-default-models",), LIMITS).start()
    stage = Stage(running)
    try:
        yield stage
    finally:
        stage.close()
        assert running.stop() == 0, running.output[-4000:]
    faults = {name: server.faults for name, server in stage.servers.items() if server.faults}
    assert not faults, f"requests that break a provider's rules: {faults}"


def client_of(stage: Stage, **more) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        **{"base_url": stage.platform.url, "api_key": stage.platform.key, "max_retries": 0, "timeout": 60} | more
    )


def request_of(model: str, scenario: str, **more) -> dict:
    return {"model": model, "max_tokens": 64, "messages": QUESTION} | WITH.get(scenario, {}) | more


def sent(stage: Stage, dialect: Dialect) -> dict:
    return stage.server(dialect).chats[-1].json()


def check_message(message, dialect: Dialect, scenario: str, model: str) -> None:
    turn = TURNS[scenario]
    assert (message.type, message.role, message.model) == ("message", "assistant", model)
    assert message.stop_reason == STOP_REASONS[turn.finish]
    assert "".join(block.text for block in message.content if block.type == "text") == turn.text
    uses = [(block.id, block.name, block.input) for block in message.content if block.type == "tool_use"]
    assert uses == [(call.id, call.name, call.arguments) for call in turn.calls]
    thinking = [block for block in message.content if block.type == "thinking"]
    # Who serves chat tells thoughts to those alone that asked for them.
    if dialect is CLAUDE and turn.thoughts:
        assert "".join(block.thinking for block in thinking) == turn.thinking
        assert message.content[0].type == "thinking", "thoughts come before what was said"
    if dialect is CLAUDE:
        assert [block.signature for block in thinking] == [SIGNATURE] * bool(turn.thoughts)
    usage = message.usage
    # Here the cache's tokens are not a part of the prompt's.
    cached = turn.cached if dialect.tells_cached else 0
    assert (usage.input_tokens, usage.cache_read_input_tokens or 0) == (turn.prompt - cached, cached)
    assert usage.output_tokens == turn.answer


def check_row(stage: Stage, request: str, dialect: Dialect, scenario: str) -> None:
    turn, row = TURNS[scenario], stage.row(request)
    assert (row["status"], row["http_status"], row["token_source"]) == ("succeeded", 200, "provider")
    cached = turn.cached if dialect.tells_cached else 0
    assert (row["input_tokens"], row["output_tokens"], row["cached_tokens"]) == (turn.prompt, turn.answer, cached)
    assert [attempt["cost_state"] for attempt in stage.attempts(request)] == ["confirmed"]


# MARK: Answers


@every_dialect
@pytest.mark.parametrize("scenario", CARRIED)
def test_a_whole_message(stage, dialect, scenario):
    model = stage.model(dialect, scenario)
    answer = client_of(stage).messages.with_raw_response.create(**request_of(model, scenario))
    check_message(answer.parse(), dialect, scenario, model)
    check_row(stage, answer.headers["x-request-id"], dialect, scenario)


@every_dialect
@pytest.mark.parametrize("scenario", CARRIED)
def test_a_streamed_message(stage, dialect, scenario):
    model = stage.model(dialect, scenario)
    with client_of(stage).messages.stream(**request_of(model, scenario)) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
        request = stream.response.headers["x-request-id"]
    assert text == TURNS[scenario].text
    check_message(message, dialect, scenario, model)
    check_row(stage, request, dialect, scenario)


@every_dialect
@pytest.mark.parametrize("framing", STREAM_FRAMINGS)
def test_a_stream_reads_the_same_however_the_provider_cuts_and_frames_it(stage, dialect, framing):
    model = stage.model(dialect, f"tools.{framing}")
    with client_of(stage).messages.stream(**request_of(model, "tools")) as stream:
        check_message(stream.get_final_message(), dialect, "tools", model)


@every_dialect
@pytest.mark.parametrize("scenario", ["good", "tools", "thinking"])
def test_events_come_in_the_order_that_the_api_promises(stage, dialect, scenario):
    model = stage.model(dialect, scenario)
    with client_of(stage).messages.create(**request_of(model, scenario), stream=True) as stream:
        events = [event for event in stream if event.type != "ping"]
    assert events[0].type == "message_start" and events[0].message.content == []
    assert events[0].message.model == model and events[0].message.stop_reason is None
    assert [event.type for event in events[-2:]] == ["message_delta", "message_stop"]
    open_block, indices = None, []
    for event in events[1:-2]:
        if event.type == "content_block_start":
            assert open_block is None, "one block at a time"
            open_block = event.index
            indices.append(event.index)
        else:
            assert event.type in ("content_block_delta", "content_block_stop") and event.index == open_block
            open_block = None if event.type == "content_block_stop" else open_block
    assert open_block is None and indices == list(range(len(indices)))
    assert events[-2].usage.output_tokens == TURNS[scenario].answer


@every_dialect
def test_each_event_has_its_name_and_nothing_else_follows_the_last(stage, dialect):
    answer = ask_raw(stage, request_of(stage.model(dialect, "good"), "good", stream=True))
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
    events = [event for event in answer.text.split("\n\n") if event.strip() and not event.startswith(":")]
    for event in events:
        name, data = event.split("\n")
        assert name.removeprefix("event: ") == json.loads(data.removeprefix("data: "))["type"]
    assert events[-1].startswith("event: message_stop") and "[DONE]" not in answer.text


# MARK: Requests


@translated
def test_instructions_settings_and_results_find_their_place(stage, dialect):
    model = stage.model(dialect, "tools")
    messages = [
        {"role": "user", "content": "What is it?"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Tehran"}},
                {"type": "tool_use", "id": "toolu_2", "name": "time", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "noon"}]},
                {"type": "text", "text": "And?"},
            ],
        },
    ]
    client_of(stage).messages.create(
        **request_of(model, "tools", messages=messages),
        system=[{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}],
        stop_sequences=["END"],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        metadata={"user_id": "someone"},
    )
    body = sent(stage, dialect)
    assert body["model"] == dialect.model("tools")
    assert [message["role"] for message in body["messages"]] == [
        *("system", "user", "assistant", "tool", "tool", "user")
    ]
    system, _, assistant, first, second, last = body["messages"]
    assert "Be brief." in json.dumps(system) and "Be kind." in json.dumps(system)
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in assistant["tool_calls"]
    ]
    assert calls == [("toolu_1", "weather", {"city": "Tehran"}), ("toolu_2", "time", {})]
    assert "I look." in json.dumps(assistant["content"])
    assert (first["tool_call_id"], second["tool_call_id"]) == ("toolu_1", "toolu_2")
    assert "sunny" in json.dumps(first) and "noon" in json.dumps(second) and "And?" in json.dumps(last)
    assert body.get("max_tokens", body.get("max_completion_tokens")) == 64
    assert body["stop"] == ["END"]
    assert (body["tool_choice"], body["parallel_tool_calls"], body["user"]) == ("required", False, "someone")


def ask_raw(stage: Stage, body: dict, version: str = OLDER) -> httpx.Response:
    """As a caller does without the official client: with the key in the API's first header."""
    headers = {"x-api-key": stage.platform.key, "anthropic-version": version}
    return httpx.post(f"{stage.platform.url}/v1/messages", json=body, headers=headers, timeout=60)


@translated
def test_sampling_settings_of_the_apis_older_version_carry_over(stage, dialect):
    more = {"temperature": 0.5, "top_p": 0.9}
    answer = ask_raw(stage, request_of(stage.model(dialect, "good"), "good", **more))
    assert answer.status_code == 200, answer.text
    assert more.items() <= sent(stage, dialect).items()


@pytest.mark.parametrize("version", [OLDER, NEWER])
def test_the_version_that_the_caller_speaks_is_the_one_that_the_provider_is_asked_in(stage, version):
    model = stage.model(CLAUDE, "good")
    assert ask_raw(stage, request_of(model, "good"), version).status_code == 200
    assert stage.server(CLAUDE).chats[-1].headers["anthropic-version"] == version


def test_what_the_provider_speaks_itself_is_passed_on_unchanged(stage):
    model = stage.model(CLAUDE, "good")
    messages = [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}]
    more = {"thinking": {"type": "enabled", "budget_tokens": 32}, "extra_body": {"new_member": [1]}}
    client_of(stage).messages.create(**request_of(model, "good", messages=messages), **more)
    body = sent(stage, CLAUDE)
    assert body == {
        "model": CLAUDE.model("good"),
        "max_tokens": 64,
        "messages": messages,
        "thinking": more["thinking"],
        "new_member": [1],
    }


@translated
@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "document", "source": {"type": "text", "data": "x", "media_type": "text/plain"}}
                    ],
                }
            ]
        },
    ],
    ids=["server-tool", "document"],
)
def test_what_cannot_carry_over_is_a_clear_error(stage, dialect, more):
    model = stage.model(dialect, "good")
    asked = len(stage.server(dialect).chats)
    with pytest.raises(anthropic.BadRequestError) as caught:
        client_of(stage).messages.create(**request_of(model, "good") | more)
    assert caught.value.body["error"]["type"] == "invalid_request_error"
    assert len(stage.server(dialect).chats) == asked, "nobody was asked"


# MARK: Who asks


def test_a_key_is_taken_in_either_header(stage):
    model = stage.model(CLAUDE, "good")
    answer = ask_raw(stage, request_of(model, "good"))
    assert answer.status_code == 200 and answer.json()["content"][0]["text"] == TURNS["good"].text
    # The official client's way.
    assert client_of(stage).messages.create(**request_of(model, "good")).model == model
    for request in stage.server(CLAUDE).chats[-2:]:
        assert CLAUDE.key in str(request.headers) and stage.platform.key not in str(request.headers)


def test_a_wrong_key_is_refused_in_anthropics_shape(stage):
    with pytest.raises(anthropic.AuthenticationError) as caught:
        client_of(stage, api_key="vk_wrong").messages.create(**request_of("demo-echo", "good"))
    assert caught.value.body["error"]["type"] == "authentication_error"


def test_an_unknown_model_is_refused_in_anthropics_shape(stage):
    with pytest.raises(anthropic.NotFoundError) as caught:
        client_of(stage).messages.create(**request_of("no-such-model", "good"))
    assert caught.value.body["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("missing", ["max_tokens", "messages", "model"])
def test_a_request_without_what_it_needs_is_refused(stage, missing):
    body = request_of(stage.model(CLAUDE, "good"), "good")
    del body[missing]
    asked = len(stage.server(CLAUDE).chats)
    answer = ask_raw(stage, body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["type"] == "invalid_request_error" and missing in answer.json()["error"]["message"]
    assert len(stage.server(CLAUDE).chats) == asked


# MARK: Refusals and breaks


@every_dialect
@every_way
@pytest.mark.parametrize(
    "kind, statuses, type",
    [
        ("wrong-key", {502}, "api_error"),
        ("rate-limited", {429}, "rate_limit_error"),
        ("failed", {502}, "api_error"),
        # The client treats each of them as worth another try.
        ("overloaded", {503, 529}, "overloaded_error"),
        ("context", {400}, "invalid_request_error"),
        ("page-200", {502}, "api_error"),
        ("reset", {502}, "api_error"),
    ],
)
def test_a_refusal_comes_in_anthropics_shape(stage, dialect, stream, kind, statuses, type):
    model = stage.model(dialect, kind)
    with pytest.raises(anthropic.APIStatusError) as caught:
        client_of(stage).messages.create(**request_of(model, kind), stream=stream)
    error = caught.value
    assert error.status_code in statuses, error.body
    assert (error.body["type"], error.body["error"]["type"]) == ("error", type)
    assert error.body["error"]["message"] and MARK not in str(error.body)
    assert error.body["request_id"] == error.response.headers["x-request-id"]
    if kind == "rate-limited":
        assert error.response.headers["retry-after"] == str(WAIT)
    if kind == "context":
        assert str(TOO_LONG) in error.body["error"]["message"] and str(LIMIT) in error.body["error"]["message"]
    row = stage.row(error.body["request_id"])
    assert row["status"] == ("rejected" if kind == "context" else "failed") and row["output_tokens"] == 0


@every_dialect
@pytest.mark.parametrize("scenario", ["error-midway", "no-end", "no-end.until-close", "cut", "broken-json"])
def test_a_stream_that_breaks_ends_with_an_error_event(stage, dialect, scenario):
    seen = []
    with pytest.raises(anthropic.APIError) as caught:
        model = stage.model(dialect, scenario)
        with client_of(stage).messages.create(**request_of(model, "good"), stream=True) as stream:
            request = stream.response.headers["x-request-id"]
            for event in stream:
                seen.append(event)
    assert MARK not in str(caught.value.body)
    text = "".join(getattr(event.delta, "text", "") for event in seen if event.type == "content_block_delta")
    assert text == "Hello, ", "what came before the break reaches the caller"
    assert "message_stop" not in [event.type for event in seen]
    row = stage.row(request)
    assert row["status"] == "truncated" and row["output_tokens"] >= 2
