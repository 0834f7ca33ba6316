"""A caller that speaks OpenAI's chat, and a provider that speaks Anthropic's messages."""

import json
from collections.abc import Iterator

import openai
import pytest
from harness.searching import Search
from harness.volery import Platform
from providers import TURNS, Anthropic
from providers.anthropic import NEWER, OLDER
from providers.dialect import LIMIT, MARK, TOO_LONG, WAIT
from providers.framing import STREAM_FRAMINGS, WHOLE_FRAMINGS
from providers.stage import TOOLS, Stage, Stream
from providers.turns import PICTURE

CLAUDE = Anthropic()
LIMITS = {"VOLERY_UPSTREAM_FIRST_BYTE_TIMEOUT": "4s", "VOLERY_UPSTREAM_IDLE_TIMEOUT": "2s"}
ASKED = {"stream_options": {"include_usage": True}}
#: Scenarios whose request has a counterpart in both dialects; a schema has its own test.
CARRIED = [name for name in TURNS if name != "schema"]
every_way = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    running = Platform(tmp_path_factory.mktemp("anthropic") / "data", ("--no-default-models",), LIMITS).start()
    stage = Stage(running)
    try:
        yield stage
    finally:
        stage.close()
        assert running.stop() == 0, running.output[-4000:]


@pytest.fixture(autouse=True)
def no_rule_is_broken(stage) -> Iterator[None]:
    yield
    faults = stage.server(CLAUDE).faults
    assert not faults, f"requests that break the provider's rules: {faults}"


def sent(stage: Stage) -> dict:
    return stage.server(CLAUDE).chats[-1].json()


def thoughts_of(message: dict) -> str:
    """Nothing in OpenAI's API names them; runtimes use either member."""
    return message.get("reasoning_content") or message.get("reasoning") or ""


def check_row(stage: Stage, request: str, scenario: str) -> None:
    turn, row = TURNS[scenario], stage.row(request)
    assert (row["status"], row["http_status"], row["token_source"]) == ("succeeded", 200, "provider")
    # What came from the cache is a part of the prompt here, and is told apart there.
    assert (row["input_tokens"], row["output_tokens"]) == (turn.prompt, turn.answer)
    assert (row["cached_tokens"], row["reasoning_tokens"]) == (turn.cached, turn.thought)
    attempts = stage.attempts(request)
    assert [attempt["cost_state"] for attempt in attempts] == ["confirmed"]
    assert attempts[0]["upstream"] == CLAUDE.identifier


# MARK: Answers


@pytest.mark.parametrize("scenario", CARRIED)
def test_a_whole_answer_is_translated(stage, scenario):
    turn, model = TURNS[scenario], stage.model(CLAUDE, scenario)
    answer = stage.ask(model, scenario)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    message = body["choices"][0]["message"]
    assert (body["object"], body["model"], message["role"]) == ("chat.completion", model, "assistant")
    assert (message["content"] or "") == turn.text
    assert body["choices"][0]["finish_reason"] == turn.finish
    assert thoughts_of(message) == turn.thinking
    functions = [(call["id"], call["function"]) for call in message.get("tool_calls") or []]
    made = [(identifier, function["name"], json.loads(function["arguments"])) for identifier, function in functions]
    assert made == [(call.id, call.name, call.arguments) for call in turn.calls]
    usage = body["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (turn.prompt, turn.answer)
    assert usage["total_tokens"] == turn.prompt + turn.answer
    assert (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0) == turn.cached
    check_row(stage, answer.headers["x-request-id"], scenario)


@pytest.mark.parametrize("scenario", CARRIED)
@pytest.mark.parametrize("asked", [True, False], ids=["usage", "no-usage"])
def test_a_stream_is_translated(stage, scenario, asked):
    turn, model = TURNS[scenario], stage.model(CLAUDE, scenario)
    said = stage.stream(model, scenario, **(ASKED if asked else {}))
    check_stream(said, scenario, model)
    counts = [(usage["prompt_tokens"], usage["completion_tokens"]) for usage in said.usages]
    assert counts == ([(turn.prompt, turn.answer)] if asked else [])
    check_row(stage, said.answer.headers["x-request-id"], scenario)


def check_stream(said: Stream, scenario: str, model: str) -> None:
    turn = TURNS[scenario]
    assert said.is_done
    assert {(chunk["object"], chunk["model"]) for chunk in said.chunks} == {("chat.completion.chunk", model)}
    assert len({chunk["id"] for chunk in said.chunks}) == 1
    assert said.deltas[0]["role"] == "assistant"
    assert said.text() == turn.text and said.finish == [turn.finish]
    assert (said.text("reasoning_content") or said.text("reasoning")) == turn.thinking
    assert said.calls == [(call.id, call.name, call.arguments) for call in turn.calls]
    assert "message_stop" not in said.answer.text and "event:" not in said.answer.text


@pytest.mark.parametrize("framing", STREAM_FRAMINGS)
@pytest.mark.parametrize("scenario", ["good", "tools"])
def test_a_stream_reads_the_same_however_it_is_cut_and_framed(stage, scenario, framing):
    model = stage.model(CLAUDE, f"{scenario}.{framing}")
    said = stage.stream(model, scenario)
    check_stream(said, scenario, model)
    check_row(stage, said.answer.headers["x-request-id"], scenario)


@pytest.mark.parametrize("framing", WHOLE_FRAMINGS)
def test_a_whole_answer_reads_the_same_however_it_is_framed(stage, framing):
    answer = stage.ask(stage.model(CLAUDE, f"good.{framing}"))
    assert answer.json()["choices"][0]["message"]["content"] == TURNS["good"].text


def test_pieces_are_passed_on_as_they_come(stage):
    said = stage.stream(stage.model(CLAUDE, "good"))
    assert [delta["content"] for delta in said.deltas if delta.get("content")] == list(TURNS["good"].pieces)


@every_way
def test_the_official_client_reads_a_translated_answer(stage, stream):
    client, model = stage.platform.client(), stage.model(CLAUDE, "tools")
    messages = [{"role": "user", "content": "What is it?"}]
    wanted = [(call.name, call.arguments) for call in TURNS["tools"].calls]
    if stream:
        with client.chat.completions.stream(model=model, messages=messages, tools=TOOLS) as events:
            calls = events.get_final_completion().choices[0].message.tool_calls
    else:
        answer = client.chat.completions.create(model=model, messages=messages, tools=TOOLS)
        calls = answer.choices[0].message.tool_calls
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == wanted


# MARK: Requests


def test_instructions_and_settings_find_their_place(stage):
    model = stage.model(CLAUDE, "good")
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": [{"type": "text", "text": "Three"}]},
    ]
    more = {"max_completion_tokens": 77, "temperature": 0.5, "top_p": 0.9, "stop": ["END", "STOP"], "user": "someone"}
    answer = stage.ask(model, messages=messages, **more)
    assert answer.status_code == 200, answer.text
    body = sent(stage)
    assert body["model"] == CLAUDE.model("good")
    system = body["system"] if isinstance(body["system"], str) else "\n".join(part["text"] for part in body["system"])
    assert "Be brief." in system and "Be kind." in system
    assert system.index("Be brief.") < system.index("Be kind.")
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert "Three" in json.dumps(body["messages"][2])
    # The newer version of the provider's API has no sampling settings, and the older one still does.
    assert (body["max_tokens"], body["temperature"], body["top_p"]) == (77, 0.5, 0.9)
    assert stage.server(CLAUDE).chats[-1].headers["anthropic-version"] == OLDER
    assert body["stop_sequences"] == ["END", "STOP"]
    assert body["metadata"]["user_id"] == "someone"


def test_one_stop_text_becomes_a_list(stage):
    assert stage.ask(stage.model(CLAUDE, "good"), stop="END").status_code == 200
    assert sent(stage)["stop_sequences"] == ["END"]


def test_an_answer_without_a_cap_gets_one_since_the_provider_wants_it(stage):
    assert stage.ask(stage.model(CLAUDE, "good")).status_code == 200
    assert sent(stage)["max_tokens"] >= 1


@pytest.mark.parametrize(
    "asked, wanted",
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "time"}}, {"type": "tool", "name": "time"}),
    ],
    ids=["auto", "required", "named"],
)
@pytest.mark.parametrize("parallel", [True, False])
def test_a_choice_of_tools_is_translated(stage, asked, wanted, parallel):
    model = stage.model(CLAUDE, "tools")
    assert stage.ask(model, "tools", tool_choice=asked, parallel_tool_calls=parallel).status_code == 200
    body = sent(stage)
    schemas = [(tool["name"], tool["input_schema"]) for tool in body["tools"]]
    assert schemas == [(tool["function"]["name"], tool["function"]["parameters"]) for tool in TOOLS]
    assert {name: value for name, value in body["tool_choice"].items() if name in ("type", "name")} == wanted
    assert bool(body["tool_choice"].get("disable_parallel_tool_use")) == (not parallel)


def test_calls_and_their_results_go_back_in_the_providers_form(stage):
    made = [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Tehran"}'}},
        {"id": "call_2", "type": "function", "function": {"name": "time", "arguments": "{}"}},
    ]
    messages = [
        {"role": "user", "content": "What is it?"},
        {"role": "assistant", "content": "I look.", "tool_calls": made},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "noon"}]},
        {"role": "user", "content": "And?"},
    ]
    answer = stage.ask(stage.model(CLAUDE, "tools"), "tools", messages=messages)
    assert answer.status_code == 200, answer.text
    said = sent(stage)["messages"]
    # Results stand at the head of the user's next turn, and turns alternate.
    assert [message["role"] for message in said] == ["user", "assistant", "user"]
    assert [part["type"] for part in said[1]["content"]] == ["text", "tool_use", "tool_use"]
    assert said[1]["content"][1] == {
        "type": "tool_use",
        "id": "call_1",
        "name": "weather",
        "input": {"city": "Tehran"},
    }
    results = [part for part in said[2]["content"] if part["type"] == "tool_result"]
    assert [part["tool_use_id"] for part in results] == ["call_1", "call_2"]
    assert "sunny" in json.dumps(results[0]["content"]) and "noon" in json.dumps(results[1]["content"])
    assert said[2]["content"][-1] == {"type": "text", "text": "And?"}


def test_a_picture_is_sent_by_its_bytes_or_its_address(stage):
    urls = [f"data:image/png;base64,{PICTURE}", "https://example.com/cat.jpg"]
    content = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    answer = stage.ask(stage.model(CLAUDE, "good"), messages=[{"role": "user", "content": content}])
    assert answer.status_code == 200, answer.text
    sources = [part["source"] for part in sent(stage)["messages"][0]["content"]]
    assert sources == [
        {"type": "base64", "media_type": "image/png", "data": PICTURE},
        {"type": "url", "url": urls[1]},
    ]


def test_a_schema_is_kept_or_refused_but_never_dropped(stage):
    model = stage.model(CLAUDE, "schema")
    asked = len(stage.server(CLAUDE).chats)
    answer = stage.ask(model, "schema")
    if answer.status_code == 200:
        assert answer.json()["choices"][0]["message"]["content"] == TURNS["schema"].text
    else:
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (400, "CAPABILITY_UNSUPPORTED"), answer.text
        assert error["param"].startswith("response_format") and error["hint"]
        assert len(stage.server(CLAUDE).chats) == asked


@pytest.mark.parametrize(
    "more",
    [
        {"n": 2},
        {"logprobs": True, "top_logprobs": 2},
        {"logit_bias": {"50256": -100}},
        {"frequency_penalty": 0.5},
        {"presence_penalty": 0.5},
        {"seed": 7},
        {
            "messages": [
                {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}
            ]
        },
    ],
    ids=["n", "logprobs", "logit_bias", "frequency_penalty", "presence_penalty", "seed", "audio"],
)
def test_what_cannot_carry_over_is_a_clear_error(stage, more):
    model = stage.model(CLAUDE, "good", capabilities=["chat", "tools", "images"])
    asked = len(stage.server(CLAUDE).chats)
    answer = stage.ask(model, **more)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["code"] in ("CAPABILITY_UNSUPPORTED", "VALIDATION_ERROR")
    assert any(error["param"].startswith(name) for name in more) and error["hint"]
    assert len(stage.server(CLAUDE).chats) == asked, "nobody was asked"


# MARK: Refusals and breaks


@every_way
@pytest.mark.parametrize(
    "kind, status, code, cost",
    [
        ("wrong-key", 502, "UPSTREAM_ERROR", "none"),
        ("no-credit", 502, "UPSTREAM_ERROR", "none"),
        ("no-model", 502, "UPSTREAM_ERROR", "none"),
        ("rate-limited", 429, "UPSTREAM_RATE_LIMITED", "none"),
        ("failed", 502, "UPSTREAM_ERROR", "unknown"),
        ("overloaded", 503, "PROVIDER_DEGRADED", "none"),
        ("page-502", 502, "UPSTREAM_ERROR", "unknown"),
        ("page-200", 502, "UPSTREAM_INVALID_RESPONSE", "unknown"),
        ("wrong-type", 502, "UPSTREAM_INVALID_RESPONSE", "unknown"),
        ("reset", 502, "UPSTREAM_UNREACHABLE", "unknown"),
    ],
)
def test_a_refusal_becomes_an_error_in_openais_shape(stage, stream, kind, status, code, cost):
    answer = stage.ask(stage.model(CLAUDE, kind), stream=stream)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), answer.text
    assert error["type"] and error["message"] and error["hint"] and MARK not in answer.text
    if kind == "rate-limited":
        assert answer.headers["retry-after"] == str(WAIT)
    row = stage.row(answer.headers["x-request-id"])
    assert (row["status"], row["error_code"], row["output_tokens"]) == ("failed", code, 0)
    assert stage.attempts(answer.headers["x-request-id"])[-1]["cost_state"] == cost


@every_way
def test_a_prompt_that_is_too_long_is_refused_with_figures(stage, stream):
    answer = stage.ask(stage.model(CLAUDE, "context"), stream=stream)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "CONTEXT_LENGTH_EXCEEDED"), answer.text
    assert (error["prompt_tokens"], error["context_limit"]) == (TOO_LONG, LIMIT)


@pytest.mark.parametrize(
    "scenario, codes",
    [
        ("error-midway", {"PROVIDER_DEGRADED", "UPSTREAM_ERROR"}),
        ("error-midway.together", {"PROVIDER_DEGRADED", "UPSTREAM_ERROR"}),
        ("no-end", {"UPSTREAM_TRUNCATED"}),
        ("no-end.until-close", {"UPSTREAM_TRUNCATED"}),
        ("cut", {"UPSTREAM_TRUNCATED"}),
        ("broken-json", {"UPSTREAM_INVALID_RESPONSE"}),
        ("silent-midway", {"UPSTREAM_TIMEOUT"}),
    ],
)
def test_a_stream_that_breaks_ends_with_an_error_event(stage, scenario, codes):
    answer = stage.ask_raw(stage.model(CLAUDE, scenario), stream=True)
    text = answer.body.decode()
    assert answer.status == 200 and "Hello" in text, text
    last = [line[6:] for line in text.splitlines() if line.startswith("data: {")][-1]
    code = json.loads(last)["error"]["code"]
    assert code in codes and "[DONE]" not in text and MARK not in text
    assert '"finish_reason":"stop"' not in text.replace(" ", "")
    row = stage.row(answer.headers["x-request-id"])
    assert (row["status"], row["error_code"]) == ("timed_out" if scenario == "silent-midway" else "truncated", code)
    # The prompt was told at the beginning; of the answer, two pieces were seen.
    assert row["input_tokens"] == TURNS["good"].prompt and row["output_tokens"] >= 2


def test_an_error_in_the_first_event_is_an_error_with_a_status(stage):
    answer = stage.ask(stage.model(CLAUDE, "error-first"), stream=True)
    assert answer.status_code in (502, 503) and MARK not in answer.text
    assert answer.json()["error"]["code"] in ("PROVIDER_DEGRADED", "UPSTREAM_ERROR")


def test_the_official_client_sees_a_broken_stream_as_an_error(stage):
    model = stage.model(CLAUDE, "error-midway")
    messages = [{"role": "user", "content": "What is it?"}]
    with pytest.raises(openai.APIError):
        for _ in stage.platform.client().chat.completions.create(model=model, messages=messages, stream=True):
            pass


# MARK: Keys


def test_the_key_goes_in_the_providers_own_header_and_nowhere_else(stage):
    model = stage.model(CLAUDE, "good")
    assert stage.ask(model).status_code == 200
    request = stage.server(CLAUDE).requests[-1]
    # Either is documented; both at once are not.
    ways = {"x-api-key": CLAUDE.key, "authorization": f"Bearer {CLAUDE.key}"}
    used = {name: request.headers[name] for name in ways if name in request.headers}
    assert len(used) == 1 and used.items() <= ways.items()
    assert request.headers["anthropic-version"] in (OLDER, NEWER)
    elsewhere = {name: value for name, value in request.headers.items() if name not in used}
    assert CLAUDE.key not in str(elsewhere) + request.path + request.body.decode()
    assert stage.platform.key not in str(request.headers)
    search = Search()
    search.add("the provider's key", CLAUDE.key)
    assert stage.ask(stage.model(CLAUDE, "wrong-key")).status_code == 502
    assert not search.found("output", stage.platform.output) + search.in_folder(stage.platform.data_dir)
