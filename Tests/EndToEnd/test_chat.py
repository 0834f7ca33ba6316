"""The official client, unchanged, with the real model."""

import json

import anthropic
import openai
import pytest

QUESTION = [{"role": "user", "content": "Name three fruits."}]


def ask(platform, **more):
    options = {"model": "default", "messages": QUESTION, "max_tokens": 24, "temperature": 0, "seed": 7} | more
    return platform.client().chat.completions.create(**options)


def runtime_of(platform, alias: str) -> dict:
    result = platform.volery("runtimes", "list", "--json")
    assert result.code == 0, result.err
    return next(row for row in result.json() if alias in [row["model"], *row["aliases"]])


def direct(platform, alias: str) -> openai.OpenAI:
    """A client of the runtime itself, past the gateway."""
    endpoint = runtime_of(platform, alias)["endpoint"].removesuffix("/v1").rstrip("/")
    return openai.OpenAI(base_url=f"{endpoint}/v1", api_key="none", max_retries=0, timeout=120)


def test_an_answer_is_real_text_of_the_model_that_was_asked(platform):
    answer = ask(platform)
    assert len(answer.choices[0].message.content.strip()) > 5
    assert "demo-echo" not in answer.choices[0].message.content
    own_name = runtime_of(platform, "default")["model"]
    assert answer.model == own_name
    assert ask(platform, model=own_name).choices[0].message.content == answer.choices[0].message.content


def test_usage_equals_what_the_runtime_counts(platform):
    through = ask(platform)
    past = direct(platform, "default").chat.completions.create(
        model="any", messages=QUESTION, max_tokens=24, temperature=0, seed=7
    )
    assert through.usage.prompt_tokens == past.usage.prompt_tokens
    assert through.usage.completion_tokens == past.usage.completion_tokens
    assert through.usage.total_tokens == past.usage.total_tokens
    assert through.choices[0].message.content == past.choices[0].message.content


def test_the_count_before_an_answer_is_what_the_runtime_counts_for_it(platform):
    client = anthropic.Anthropic(base_url=platform.url, api_key=platform.key, max_retries=0, timeout=120)
    asked = {"model": "default", "messages": QUESTION, "system": "Be short. \u0633\u0644\u0627\u0645"}
    counted = client.messages.count_tokens(**asked).input_tokens
    usage = client.messages.create(max_tokens=1, **asked).usage
    assert counted == usage.input_tokens + usage.cache_read_input_tokens > 10


def test_a_prompt_just_beyond_the_context_is_counted_and_refused(platform):
    with pytest.raises(openai.BadRequestError) as refusal:
        ask(platform, messages=[{"role": "user", "content": "1 2 3 4 5 6 7 8 9 " * 400}])
    error = refusal.value.body
    assert error["code"] == "CONTEXT_LENGTH_EXCEEDED" and error["prompt_tokens"] > error["context_limit"]


def test_the_usage_row_says_the_same_as_the_answer(platform):
    with platform.client().chat.completions.with_streaming_response.create(
        model="default", messages=QUESTION, max_tokens=12
    ) as response:
        request_id = response.headers["x-request-id"]
        usage = json.loads(response.read())["usage"]
    row = platform.usage_of(request_id)
    assert (row["input_tokens"], row["output_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert row["status"] == "succeeded" and row["http_status"] == 200
    assert row["token_source"] == "provider"
    assert row["latency_seconds"] > 0


def test_a_stream_is_the_same_text_in_pieces(platform):
    chunks = list(ask(platform, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == ask(platform).choices[0].message.content
    assert sum(1 for chunk in chunks if chunk.choices and chunk.choices[0].delta.content) > 5
    assert all(chunk.usage is None for chunk in chunks), "usage was not asked for"
    assert all(chunk.choices for chunk in chunks), "an event without choices is the usage event"
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")


def test_a_stream_carries_usage_when_it_is_asked_for(platform):
    chunks = list(ask(platform, stream=True, stream_options={"include_usage": True}))
    last = chunks[-1]
    assert last.choices == []
    whole = ask(platform).usage
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (whole.prompt_tokens, whole.completion_tokens)


@pytest.mark.parametrize("asked", [True, False])
def test_a_stream_is_metered_whether_or_not_the_client_asked_for_usage(platform, asked):
    options = {"stream_options": {"include_usage": True}} if asked else {}
    with platform.client().chat.completions.with_streaming_response.create(
        model="default", messages=QUESTION, max_tokens=24, temperature=0, seed=7, stream=True, **options
    ) as response:
        request_id = response.headers["x-request-id"]
        text = response.read().decode()
    assert text.rstrip().endswith("data: [DONE]")
    assert ('"prompt_tokens"' in text) == asked
    usage = ask(platform).usage
    row = platform.usage_of(request_id)
    assert (row["input_tokens"], row["output_tokens"]) == (usage.prompt_tokens, usage.completion_tokens)
    assert row["token_source"] == "provider"
    assert 0 < row["first_token_seconds"] <= row["latency_seconds"]


def test_the_same_seed_gives_the_same_text_and_another_may_not(platform):
    def text(seed: int) -> str:
        return ask(platform, seed=seed, temperature=1.0, max_tokens=12).choices[0].message.content

    assert text(11) == text(11)
    assert len({text(seed) for seed in (11, 12, 13, 14)}) > 1


def test_a_stop_sequence_ends_the_answer_before_it(platform):
    whole = ask(platform).choices[0].message.content
    word = next(word for word in whole.split()[2:] if word.isalpha())
    cut = ask(platform, stop=[word])
    assert word not in cut.choices[0].message.content
    assert whole.startswith(cut.choices[0].message.content)
    assert cut.choices[0].finish_reason == "stop"


def test_a_length_limit_is_reported_as_such(platform):
    answer = ask(platform, max_tokens=4)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 4


def test_a_json_schema_is_kept(platform):
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["fruit", "count"],
        "properties": {"fruit": {"type": "string", "maxLength": 20}, "count": {"type": "integer"}},
    }
    answer = ask(
        platform,
        max_tokens=80,
        response_format={"type": "json_schema", "json_schema": {"name": "fruit", "schema": schema}},
    )
    value = json.loads(answer.choices[0].message.content)
    assert set(value) == {"fruit", "count"}
    assert isinstance(value["count"], int)


TOOLS = [
    {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
]


def test_tools_that_are_required_of_a_model_without_them_are_refused(platform):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(platform, tools=TOOLS, tool_choice="required")
    assert caught.value.code == "CAPABILITY_UNSUPPORTED"
    assert caught.value.param == "tool_choice"


def test_tools_that_are_only_offered_pass_and_the_answer_warns(platform):
    with platform.client().chat.completions.with_streaming_response.create(
        model="default", messages=QUESTION, max_tokens=12, tools=TOOLS
    ) as response:
        body = json.loads(response.read())
        assert "tools" in response.headers["volery-warning"]
    assert body["choices"][0]["message"]["role"] == "assistant"


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_is_too_long_is_refused_with_numbers_and_never_cut(platform, stream):
    limit = runtime_context(platform)
    with pytest.raises(openai.BadRequestError) as caught:
        ask(platform, messages=[{"role": "user", "content": "word " * (limit + 500)}], stream=stream)
    error = caught.value
    assert error.code == "CONTEXT_LENGTH_EXCEEDED"
    assert error.body["context_limit"] == limit < error.body["prompt_tokens"], error.body
    # It was counted and not called: what is asked after it has a row, and it has none.
    after = platform.client().chat.completions.with_raw_response.create(
        model="default", messages=QUESTION, max_tokens=1
    )
    platform.usage_of(after.headers["x-request-id"])
    assert error.body["request_id"] not in [row["request_id"] for row in platform.usage_rows()]


def runtime_context(platform) -> int:
    return platform.get("/v1/models/default").json()["context_length"]


def test_the_older_completions_work_too(platform):
    answer = platform.client().completions.create(
        model="default", prompt="The capital of France is", max_tokens=8, temperature=0
    )
    assert answer.choices[0].text.strip()
    assert answer.usage.completion_tokens <= 8


def test_persian_text_passes_through_unharmed(platform):
    answer = platform.chat("demo-echo", "سلام، حال شما چطور است؟ 🌱")
    assert "سلام، حال شما چطور است؟ 🌱" in answer.json()["choices"][0]["message"]["content"]


def test_many_at_once_are_all_answered(platform):
    from concurrent.futures import ThreadPoolExecutor

    client = platform.client()

    def one(number: int) -> int:
        answer = client.chat.completions.create(
            model="default", messages=[{"role": "user", "content": f"Count to {number}."}], max_tokens=4
        )
        return answer.usage.completion_tokens

    with ThreadPoolExecutor(8) as pool:
        assert all(count > 0 for count in pool.map(one, range(16)))


def test_the_command_line_chats(platform):
    result = platform.volery("chat", "--max-tokens", "12", "Say hello.", timeout=120)
    assert result.code == 0, result.err
    assert result.out.strip()
