"""The scripted providers by themselves: the official clients must read what they say, or they prove nothing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import anthropic
import httpx2 as httpx
import openai
import pytest
from providers import OPENAI_COMPATIBLE, TURNS, VLLM, Anthropic, LlamaCpp, OpenAI, ProviderServer
from providers.anthropic import NEWER, OLDER, SIGNATURE, STOP_REASONS
from providers.dialect import LIMIT, REFUSALS, WAIT, Dialect
from providers.framing import STREAM_FRAMINGS, WHOLE_FRAMINGS
from providers.responses import IDENTIFIER
from providers.stage import QUESTION, WITH
from providers.turns import PICTURE

CLAUDE = Anthropic()
every_dialect = pytest.mark.parametrize("dialect", OPENAI_COMPATIBLE, ids=lambda dialect: dialect.name)
every_turn = pytest.mark.parametrize("scenario", TURNS)
TOOLS = [{"name": name, "input_schema": {"type": "object"}} for name in ("weather", "time")]
SCHEMA = WITH["schema"]["response_format"]["json_schema"]["schema"]
SOURCE = {"type": "base64", "media_type": "image/png", "data": PICTURE}
#: As `WITH`, in Anthropic's dialect.
CLAUDES = {
    "tools": {"tools": TOOLS},
    "schema": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "picture": {"messages": [{"role": "user", "content": [{"type": "image", "source": SOURCE}]}]},
}


@contextmanager
def talking_to(dialect: Dialect, key: str | None = None) -> Iterator:
    """The server and the official client of its protocol."""
    with ProviderServer(dialect) as server:
        own = {"api_key": key or dialect.key, "max_retries": 0, "timeout": 20}
        if dialect is CLAUDE:
            yield server, anthropic.Anthropic(base_url=server.url.removesuffix("/v1"), **own)
        else:
            yield server, openai.OpenAI(base_url=server.url, **own)


@every_dialect
@every_turn
def test_openais_client_reads_every_turn(dialect, scenario):
    turn = TURNS[scenario]
    asked = {"model": dialect.model(scenario), "messages": QUESTION} | WITH.get(scenario, {})
    with talking_to(dialect) as (server, client):
        whole = client.chat.completions.create(**asked)
        chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
        assert not server.faults and len(server.chats) == 2
    choice = whole.choices[0]
    assert (choice.message.content or "", choice.finish_reason) == (turn.text, turn.finish)
    calls = choice.message.tool_calls or []
    assert [json.loads(call.function.arguments) for call in calls] == [call.arguments for call in turn.calls]
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (turn.prompt, turn.answer)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == turn.text
    assert chunks[-1].usage.completion_tokens == turn.answer and chunks[-1].choices == []


@every_turn
def test_anthropics_client_reads_every_turn(scenario):
    turn = TURNS[scenario]
    asked = {"model": CLAUDE.model(scenario), "max_tokens": 64, "messages": QUESTION} | CLAUDES.get(scenario, {})
    with talking_to(CLAUDE) as (server, client):
        whole = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()
        assert not server.faults
    for message in (whole, streamed):
        assert message.stop_reason == STOP_REASONS[turn.finish]
        assert "".join(block.text for block in message.content if block.type == "text") == turn.text
        uses = [block.input for block in message.content if block.type == "tool_use"]
        assert uses == [call.arguments for call in turn.calls]
        thoughts = [(block.thinking, block.signature) for block in message.content if block.type == "thinking"]
        assert thoughts == ([(turn.thinking, SIGNATURE)] if turn.thoughts else [])
        usage = message.usage
        assert usage.input_tokens + usage.cache_read_input_tokens == turn.prompt
        assert (usage.output_tokens, usage.output_tokens_details.thinking_tokens) == (turn.answer, turn.thought)


@pytest.mark.parametrize("framing", sorted({*STREAM_FRAMINGS, *WHOLE_FRAMINGS}))
@pytest.mark.parametrize("dialect", [OpenAI(), CLAUDE], ids=lambda dialect: dialect.name)
def test_clients_read_the_same_in_every_framing(dialect, framing):
    model = dialect.model(f"good.{framing}")
    with talking_to(dialect) as (_, client):
        if framing in STREAM_FRAMINGS and dialect is CLAUDE:
            with client.messages.stream(model=model, max_tokens=64, messages=QUESTION) as stream:
                assert "".join(stream.text_stream) == TURNS["good"].text
        elif framing in STREAM_FRAMINGS:
            chunks = client.chat.completions.create(model=model, messages=QUESTION, stream=True)
            pieces = [chunk.choices[0].delta.content or "" for chunk in chunks]
            assert "".join(pieces) == TURNS["good"].text
        if framing in WHOLE_FRAMINGS and dialect is CLAUDE:
            message = client.messages.create(model=model, max_tokens=64, messages=QUESTION)
            assert message.content[0].text == TURNS["good"].text
        elif framing in WHOLE_FRAMINGS:
            answer = client.chat.completions.create(model=model, messages=QUESTION)
            assert answer.choices[0].message.content == TURNS["good"].text


@pytest.mark.parametrize("dialect", [*OPENAI_COMPATIBLE, CLAUDE], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("kind", REFUSALS)
def test_clients_read_every_refusal(dialect, kind):
    with talking_to(dialect) as (_, client):
        with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as caught:
            if dialect is CLAUDE:
                client.messages.create(model=dialect.model(kind), max_tokens=64, messages=QUESTION)
            else:
                client.chat.completions.create(model=dialect.model(kind), messages=QUESTION)
    assert caught.value.status_code == int(dialect.refusal(kind).status[:3])
    if kind == "rate-limited":
        assert caught.value.response.headers["retry-after"] == str(WAIT)


@pytest.mark.parametrize("dialect", [*OPENAI_COMPATIBLE, CLAUDE], ids=lambda dialect: dialect.name)
def test_another_key_is_refused(dialect):
    with talking_to(dialect, key="sk-another") as (server, client):
        with pytest.raises((openai.AuthenticationError, anthropic.AuthenticationError)):
            if dialect is CLAUDE:
                client.messages.create(model=dialect.model("good"), max_tokens=64, messages=QUESTION)
            else:
                client.chat.completions.create(model=dialect.model("good"), messages=QUESTION)
        assert len(server.requests) == 1, "it is recorded all the same"


def test_anthropics_rules_are_kept():
    good = {"model": "claude-good", "max_tokens": 64, "messages": QUESTION}
    headers = {"x-api-key": CLAUDE.key, "anthropic-version": OLDER}
    system = [{"role": "system", "content": "Be brief."}, *QUESTION]
    newer = headers | {"anthropic-version": NEWER}
    wrong = [
        (headers | {"anthropic-version": ""}, good),
        (headers, {"model": "claude-good", "messages": QUESTION}),
        (headers, good | {"messages": system}),
        (headers, good | {"stream_options": {"include_usage": True}}),
        (newer, good | {"temperature": 1.0}),
    ]
    bearer = {"authorization": f"Bearer {CLAUDE.key}", "anthropic-version": NEWER}
    right = [(headers, good | {"temperature": 0.5}), (newer, good), (bearer, good)]
    with ProviderServer(CLAUDE) as server:
        for fields, body in wrong:
            assert httpx.post(f"{server.url}/messages", json=body, headers=fields, timeout=20).status_code == 400, body
        assert len(server.faults) == len(wrong)
        for fields, body in right:
            assert httpx.post(f"{server.url}/messages", json=body, headers=fields, timeout=20).status_code == 200, body
        nobody = {"anthropic-version": NEWER}
        assert httpx.post(f"{server.url}/messages", json=good, headers=nobody, timeout=20).status_code == 401


def test_anthropic_counts_tokens():
    with talking_to(CLAUDE) as (_, client):
        assert client.messages.count_tokens(model="claude-good", messages=QUESTION).input_tokens > 0


def test_openais_client_reads_responses():
    turn = TURNS["good"]
    with talking_to(OpenAI()) as (_, client):
        whole = client.responses.create(model="good", input="Hi")
        assert (whole.id, whole.output_text, whole.usage.output_tokens) == (IDENTIFIER, turn.text, turn.answer)
        with client.responses.stream(model="good", input="Hi") as stream:
            assert stream.get_final_response().output_text == turn.text
        with pytest.raises(openai.RateLimitError):
            client.responses.create(model="rate-limited", input="Hi")
        events = [event.type for event in client.responses.create(model="error-midway", input="Hi", stream=True)]
    assert events[-1] == "response.failed" and "response.completed" not in events


def test_vllm_tells_its_usage_in_every_chunk_where_that_is_asked():
    options = {"include_usage": True, "continuous_usage_stats": True}
    with talking_to(VLLM()) as (_, client):
        asked = {"model": "acme/good", "messages": QUESTION, "stream": True, "stream_options": options}
        chunks = list(client.chat.completions.create(**asked))
    assert [chunk.usage.prompt_tokens for chunk in chunks] == [TURNS["good"].prompt] * len(chunks)


@pytest.mark.parametrize(
    "dialect, path, body, member",
    [
        (VLLM(), "/tokenize", {"model": "acme/good", "messages": QUESTION}, "count"),
        (LlamaCpp(), "/tokenize", {"content": "What is it?"}, "tokens"),
        (LlamaCpp(), "/apply-template", {"messages": QUESTION}, "prompt"),
    ],
    ids=["vllm", "llama-cpp", "llama-cpp-template"],
)
def test_runtimes_count_tokens_by_their_own_endpoint(dialect, path, body, member):
    with ProviderServer(dialect, key=False) as server:
        root = server.url.removesuffix(dialect.base)
        answer = httpx.post(root + path, json=body, timeout=20)
        assert answer.status_code == 200 and answer.json()[member]
        assert answer.json().get("max_model_len", LIMIT) == LIMIT
        assert httpx.get(f"{root}/health", timeout=20).status_code == 200
