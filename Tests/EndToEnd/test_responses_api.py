"""OpenAI's Responses API, passed through to who speaks it."""

from collections.abc import Iterator

import openai
import pytest
from harness.volery import Platform
from providers import TURNS, OpenAI
from providers.dialect import MARK, WAIT
from providers.framing import STREAM_FRAMINGS, WHOLE_FRAMINGS
from providers.responses import IDENTIFIER, ITEM
from providers.stage import CAPABILITIES, Stage

LIMITS = {"VOLERY_UPSTREAM_FIRST_BYTE_TIMEOUT": "2s", "VOLERY_UPSTREAM_IDLE_TIMEOUT": "2s"}
SPEAKER = OpenAI()
SAID = ["good", "length", "thinking", "cached"]


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    running = Platform(tmp_path_factory.mktemp("responses") / "data", ("--no-default-models",), LIMITS).start()
    stage = Stage(running)
    try:
        yield stage
    finally:
        stage.close()
        assert running.stop() == 0, running.output[-4000:]


def model_of(stage: Stage, scenario: str) -> str:
    return stage.model(SPEAKER, scenario, capabilities=[*CAPABILITIES, "responses"])


def asked(stage: Stage) -> list[dict]:
    requests = stage.server(SPEAKER).requests
    return [request.json() for request in requests if request.path == "/v1/responses"]


def check_row(stage: Stage, request: str, scenario: str) -> None:
    turn, row = TURNS[scenario], stage.row(request)
    assert (row["status"], row["http_status"], row["token_source"]) == ("succeeded", 200, "provider")
    assert (row["input_tokens"], row["output_tokens"]) == (turn.prompt, turn.answer)
    assert (row["cached_tokens"], row["reasoning_tokens"]) == (turn.cached, turn.thought)
    attempts = stage.attempts(request)
    assert [(attempt["cost_state"], attempt["upstream"]) for attempt in attempts] == [("confirmed", IDENTIFIER)]


@pytest.mark.parametrize("scenario", SAID)
def test_a_whole_response(stage, scenario):
    model = model_of(stage, scenario)
    answer = stage.platform.client().responses.with_raw_response.create(model=model, input="What is it?")
    response = answer.parse()
    assert response.output_text == TURNS[scenario].text
    assert (response.id, response.status, response.output[0].id) == (IDENTIFIER, "completed", ITEM)
    assert response.model == model, "the caller's name of it"
    assert response.usage.output_tokens == TURNS[scenario].answer
    check_row(stage, answer.headers["x-request-id"], scenario)


@pytest.mark.parametrize("scenario", SAID)
def test_a_streamed_response(stage, scenario):
    with stage.platform.client().responses.create(
        model=model_of(stage, scenario), input="What is it?", stream=True
    ) as stream:
        request = stream.response.headers["x-request-id"]
        events = list(stream)
    turn = TURNS[scenario]
    assert [event.sequence_number for event in events] == list(range(len(turn.pieces) + 8))
    assert [event.delta for event in events if event.type == "response.output_text.delta"] == list(turn.pieces)
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    assert events[-1].response.usage.input_tokens == turn.prompt
    check_row(stage, request, scenario)


@pytest.mark.parametrize("framing", STREAM_FRAMINGS)
def test_a_stream_reads_the_same_however_it_is_cut_and_framed(stage, framing):
    model = model_of(stage, f"good.{framing}")
    with stage.platform.client().responses.stream(model=model, input="What is it?") as stream:
        assert stream.get_final_response().output_text == TURNS["good"].text


@pytest.mark.parametrize("framing", WHOLE_FRAMINGS)
def test_a_whole_response_reads_the_same_however_it_is_framed(stage, framing):
    response = stage.platform.client().responses.create(model=model_of(stage, f"good.{framing}"), input="Hi")
    assert response.output_text == TURNS["good"].text


def test_what_was_asked_is_passed_on_with_the_providers_name_of_the_model(stage):
    name = "renamed"
    stage.server(SPEAKER)
    stage.deploy(name, SPEAKER, "good", provider=SPEAKER.name, capabilities=["chat", "responses"])
    more = {
        "instructions": "Be brief.",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        "max_output_tokens": 99,
        "reasoning": {"effort": "low"},
        "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}],
        "store": False,
    }
    assert stage.platform.client().responses.create(model=name, **more).output_text == TURNS["good"].text
    assert asked(stage)[-1] == {"model": "good"} | more


def test_a_model_that_does_not_speak_it_says_so(stage):
    model = stage.model(SPEAKER, "good")
    before = len(asked(stage))
    with pytest.raises(openai.BadRequestError) as caught:
        stage.platform.client().responses.create(model=model, input="Hi")
    assert caught.value.code == "CAPABILITY_UNSUPPORTED"
    assert len(asked(stage)) == before


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "kind, status, code",
    [
        ("rate-limited", 429, "UPSTREAM_RATE_LIMITED"),
        ("failed", 502, "UPSTREAM_ERROR"),
        ("context", 400, "CONTEXT_LENGTH_EXCEEDED"),
    ],
)
def test_a_refusal_becomes_an_error_of_the_catalog(stage, stream, kind, status, code):
    with pytest.raises(openai.APIStatusError) as caught:
        stage.platform.client().responses.create(model=model_of(stage, kind), input="Hi", stream=stream)
    error = caught.value
    assert (error.status_code, error.code) == (status, code) and MARK not in str(error.body)
    if kind == "rate-limited":
        assert error.response.headers["retry-after"] == str(WAIT)


@pytest.mark.parametrize("scenario", ["no-end", "no-end.until-close", "cut"])
def test_a_stream_that_ends_without_its_end_is_an_error(stage, scenario):
    seen = []
    with pytest.raises(openai.APIError):
        with stage.platform.client().responses.create(
            model=model_of(stage, scenario), input="Hi", stream=True
        ) as stream:
            request = stream.response.headers["x-request-id"]
            for event in stream:
                # The API's own event of an error is one way to say it.
                if event.type == "error":
                    raise openai.APIError(event.message, stream.response.request, body=None)
                seen.append(event.type)
    assert "response.output_text.delta" in seen and "response.completed" not in seen
    row = stage.row(request)
    assert (row["status"], row["error_code"]) == ("truncated", "UPSTREAM_TRUNCATED")


def test_a_failed_response_is_counted_as_what_it_is(stage):
    seen = []
    try:
        with stage.platform.client().responses.create(
            model=model_of(stage, "error-midway"), input="Hi", stream=True
        ) as stream:
            request = stream.response.headers["x-request-id"]
            seen = [event.type for event in stream]
    except openai.APIError:
        pass
    assert "response.completed" not in seen
    row = stage.row(request)
    assert (row["status"], row["error_code"]) == ("truncated", "UPSTREAM_ERROR")
