"""How many tokens a prompt has: for a client of messages, and before a call that may be too long for its model."""

import json

import anthropic
import httpx2 as httpx
import pytest
from providers import VLLM, LlamaCpp, OpenAI
from test_messages_api import CLAUDE, QUESTION, TOOLS, client_of, stage  # noqa: F401

COUNTING = (CLAUDE, VLLM(), LlamaCpp())
who_counts = pytest.mark.parametrize("dialect", COUNTING, ids=lambda dialect: dialect.name)
COUNTS = ("/v1/messages/count_tokens", "/tokenize", "/apply-template")


def counts(stage, dialect) -> list[str]:
    return [request.path for request in stage.server(dialect).requests if request.path in COUNTS]


@who_counts
def test_anthropics_client_counts_tokens(stage, dialect):
    model = stage.model(dialect, "good")
    chats = len(stage.server(dialect).chats)
    count = client_of(stage).messages.count_tokens(
        model=model, messages=QUESTION, system="Be short.", tools=TOOLS, tool_choice={"type": "auto"}
    )
    assert count.input_tokens > 0
    longer = [{"role": "user", "content": "What is it? " * 400}]
    assert client_of(stage).messages.count_tokens(model=model, messages=longer).input_tokens > 1000
    assert len(stage.server(dialect).chats) == chats, "nothing is answered, and nothing paid"
    asked = [request for request in stage.server(dialect).requests if request.path in COUNTS]
    assert all("max_tokens" not in request.json() for request in asked)


def test_who_cannot_count_says_so_and_is_asked_once(stage):
    dialect = OpenAI()
    model = stage.model(dialect, "good")
    for _ in range(3):
        with pytest.raises(anthropic.BadRequestError) as refusal:
            client_of(stage).messages.count_tokens(model=model, messages=QUESTION)
        assert refusal.value.body["type"] == "error" and "counts tokens" in str(refusal.value)
    assert len(counts(stage, dialect)) <= 2, "once for each event loop"


@pytest.mark.parametrize("body", [{}, {"model": "nobody", "messages": QUESTION}, {"messages": 1}], ids=str)
def test_what_cannot_be_counted_is_refused_in_anthropics_shape(stage, body):
    answer = httpx.post(
        f"{stage.platform.url}/v1/messages/count_tokens", json=body, headers={"x-api-key": stage.platform.key}
    )
    assert answer.status_code in (400, 404) and answer.json()["type"] == "error"
    unknown = httpx.post(f"{stage.platform.url}/v1/messages/count_tokens", json=body, headers={"x-api-key": "sk-wrong"})
    assert unknown.status_code == 401 and unknown.json()["error"]["type"] == "authentication_error"
    assert httpx.get(f"{stage.platform.url}/v1/messages/count_tokens").status_code == 405


def long(words: int) -> list[dict]:
    return [{"role": "user", "content": "word " * words}]


@who_counts
def test_a_prompt_that_may_be_too_long_is_counted_before_its_call(stage, dialect):
    # Some 5 bytes a word, and a token for each four of them: 5,000 bytes are between 625 and 2,500 tokens.
    model = stage.model(dialect, "good", context_limit=1000)
    before = len(counts(stage, dialect))
    fits = stage.ask(model, messages=long(50))
    assert fits.status_code == 200 and len(counts(stage, dialect)) == before, "what surely fits is not counted"
    refused = stage.ask(model, messages=long(1000))
    assert refused.status_code == 400, refused.text
    error = refused.json()["error"]
    assert error["code"] == "CONTEXT_LENGTH_EXCEEDED"
    assert error["prompt_tokens"] > 1000 == error["context_limit"]
    assert "estimate" not in error["message"]
    asked = len(counts(stage, dialect))
    assert asked > before
    answered = stage.ask(model, messages=long(600))
    assert answered.status_code == 200 and len(counts(stage, dialect)) > asked, "it was counted, and fits"


def test_a_prompt_that_does_not_fit_goes_where_it_does(stage):
    small, large = VLLM(), CLAUDE
    model = stage.model(small, "good", context_limit=1000)
    stage.server(large)
    other = stage.deploy(model, large, "good", provider=large.name, context_limit=100_000, priority=5)
    answer = stage.ask(model, messages=long(1000))
    assert answer.status_code == 200 and answer.headers["volery-route"] == other["id"]
    request = answer.headers["x-request-id"]
    stage.row(request)
    route = stage.call("GET", f"/v1/requests/{request}/route").json()
    codes = {candidate["deployment"]: candidate["code"] for candidate in route["candidates"]}
    assert codes.pop(other["id"]) == "taken" and list(codes.values()) == ["context_too_small"], json.dumps(route)
