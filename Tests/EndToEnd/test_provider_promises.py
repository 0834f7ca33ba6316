"""What the words of single providers must become, beyond what all of them have in common."""

from collections.abc import Iterator
from email.utils import formatdate
from time import time

import pytest
from harness import processes
from harness.upstream import Connection, Request
from harness.volery import Platform
from providers import OPENAI_COMPATIBLE, TGI, Anthropic, OpenRouter
from providers.dialect import LIMIT, MARK, TOO_LONG
from providers.openrouter import COST
from providers.stage import Stage

every_dialect = pytest.mark.parametrize("dialect", OPENAI_COMPATIBLE, ids=lambda dialect: dialect.name)
#: Those whose words have no figures, and the router whose words are those of whoever is behind it.
WORDLESS = ("ollama", "hugging-face")


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    running = Platform(tmp_path_factory.mktemp("promises") / "data", ("--no-default-models",)).start()
    stage = Stage(running)
    try:
        yield stage
    finally:
        stage.close()
        assert running.stop() == 0, running.output[-4000:]


@every_dialect
def test_a_prompt_that_is_too_long_has_one_code_and_figures_where_the_provider_tells_them(stage, dialect):
    answer = stage.ask(stage.model(dialect, "context"))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "CONTEXT_LENGTH_EXCEEDED"), answer.text
    if dialect.name not in WORDLESS:
        # Some tell what the answer may have, 100, apart from the prompt, and some only the sum.
        prompt = TOO_LONG - 100 if dialect.name in ("openrouter", "tgi") else TOO_LONG
        assert (error["prompt_tokens"], error["context_limit"]) == (prompt, LIMIT)


@every_dialect
def test_529_says_that_the_provider_is_overloaded(stage, dialect):
    answer = stage.ask(stage.model(dialect, "overloaded"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "PROVIDER_DEGRADED"), answer.text
    assert int(answer.headers["retry-after"]) >= 1


def test_a_date_in_retry_after_becomes_seconds(stage, upstream):
    def script(connection: Connection, request: Request) -> None:
        date = formatdate(time() + 40, usegmt=True)
        connection.answer({"error": {"message": "slow down"}}, "429 Too Many Requests", Retry_After=date)

    upstream.script = script
    stage.register("dated", upstream.url)
    answer = stage.ask("dated")
    assert answer.status_code == 429
    assert 30 <= int(answer.headers["retry-after"]) <= 41


@every_dialect
def test_an_error_with_status_200_is_the_providers_error(stage, dialect):
    answer = stage.ask(stage.model(dialect, "error-midway"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "UPSTREAM_ERROR"), answer.text
    assert MARK not in answer.text


@pytest.mark.parametrize("stream", [False, True])
def test_openrouters_error_in_a_choice_is_no_answer(stage, upstream, stream):
    choice = {"index": 0, "finish_reason": "error", "error": {"code": 502, "message": f"Failed {MARK}"}}

    def script(connection: Connection, request: Request) -> None:
        if not stream:
            message = {"role": "assistant", "content": ""}
            return connection.answer({"id": "gen-1", "choices": [choice | {"message": message}]})
        connection.begin_stream()
        connection.event({"id": "gen-1", "choices": [choice | {"delta": {"content": ""}}]})
        connection.event("[DONE]")
        connection.end_stream()

    upstream.script = script
    name = f"choice-{stream}"
    stage.register(name, upstream.url)
    answer = stage.ask(name, stream=stream)
    assert answer.status_code == 502 and "UPSTREAM_ERROR" in answer.text
    assert MARK not in answer.text and "[DONE]" not in answer.text


def test_tgis_failure_while_generating_is_not_the_callers_fault(stage, upstream):
    body = {"error": "Request failed during generation", "error_type": "generation"}
    upstream.script = lambda connection, request: connection.answer(body, "424 Failed Dependency")
    stage.register(f"{TGI.name}-424", upstream.url)
    answer = stage.ask(f"{TGI.name}-424")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "UPSTREAM_ERROR"), answer.text


def test_openrouter_is_told_which_application_asks(stage):
    assert stage.ask(stage.model(OpenRouter(), "good")).status_code == 200
    sent = stage.server(OpenRouter()).chats[-1].headers
    assert sent["http-referer"].startswith("http") and sent["x-title"]


@pytest.mark.parametrize("stream", [False, True])
def test_what_openrouter_says_a_call_cost_is_the_cost_of_the_attempt(stage, stream):
    answer = stage.ask(stage.model(OpenRouter(), "good"), stream=stream)
    cost = stage.row(answer.headers["x-request-id"])["cost"]
    assert (float(cost["amount"]), cost["currency"]) == (COST, "USD")


@pytest.mark.parametrize("dialect", [OpenRouter(), Anthropic()], ids=["openrouter", "anthropic"])
def test_an_answer_is_capped_by_the_workspaces_routing_where_its_caller_names_no_cap(stage, dialect):
    def sent(**more) -> int | None:
        assert stage.ask(model, **more).status_code == 200
        return stage.server(dialect).chats[-1].json().get("max_tokens")

    model = stage.model(dialect, "good")
    assert stage.platform.volery("routing", "set", "--strategy", "priority", "--output-cap", "77").code == 0
    try:
        processes.wait_until(lambda: sent() == 77, 60, "the cap is sent", interval=0.05)
        assert sent(max_tokens=12) == 12
    finally:
        assert stage.platform.volery("routing", "remove").code == 0
