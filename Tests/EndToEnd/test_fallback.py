"""A model with two deployments: when the first fails before its answer began, the second answers, and the record tells
what was tried. After the first byte nobody else is asked."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx2 as httpx
import pytest
from harness import processes
from harness.tenancy import Admin
from providers import TURNS, Anthropic, OpenAI, ProviderServer
from providers.dialect import MARK, WAIT
from providers.pairs import TEXT, Pair, paired, paired_stage
from providers.stage import Stage

every_way = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    with paired_stage(tmp_path_factory.mktemp("fallback") / "data") as stage:
        yield stage


@pytest.fixture
def pair(stage) -> Iterator[Callable[..., Pair]]:
    with paired(stage) as make:
        yield make


# MARK: Before the answer began


@every_way
@pytest.mark.parametrize(
    "scenario, cost",
    [
        # Nothing was sent, or it was refused: nobody charges for that. Of the others nobody knows.
        ("refused", "none"),
        ("reset", "unknown"),
        ("silent", "unknown"),
        ("rate-limited", "none"),
        ("unavailable", "none"),
        ("overloaded", None),
        ("failed", "unknown"),
        ("page-502", "unknown"),
        ("page-200", "unknown"),
        ("wrong-type", "unknown"),
        ("empty", "unknown"),
        ("error-first", "unknown"),
    ],
)
def test_the_second_answers_where_the_first_fails(stage, pair, stream, scenario, cost):
    both = pair("good" if scenario == "refused" else scenario, "good")
    if scenario == "refused":
        both.servers[0].close_listener()
    answer = both.ask(stream)
    assert both.text(answer) == TEXT and MARK not in answer.text
    assert answer.headers["volery-route"] == both.deployments[1]
    assert both.asked == [0 if scenario == "refused" else 1, 1]
    made = both.attempts(answer)
    assert [place for place, _ in made] == [0, 1]
    assert made[1][1] == "confirmed" and cost in (None, made[0][1])
    row = stage.row(answer.headers["x-request-id"])
    assert (row["status"], row["http_status"], row["error_code"]) == ("succeeded", 200, None)
    assert (row["deployment_id"], row["token_source"]) == (both.deployments[1], "provider")
    assert (row["input_tokens"], row["output_tokens"]) == (TURNS["good"].prompt, TURNS["good"].answer)
    rows = stage.call("GET", "/v1/usage/rows", params={"model": both.model, "limit": 10}).json()["data"]
    assert len(rows) == 1, "one request, one row"


def test_half_a_whole_answer_is_thrown_away_and_the_second_asked(pair):
    for scenario in ("broken-json", "cut", "silent-midway", "error-midway"):
        both = pair(scenario, "good")
        answer = both.ask()
        assert both.text(answer) == TEXT, scenario
        assert both.attempts(answer) == [(0, "unknown"), (1, "confirmed")], scenario


def test_each_is_asked_for_the_model_by_its_own_name_and_with_the_whole_request(pair):
    both = pair("failed", "good")
    content = "x" * 300_000
    answer = both.ask(messages=[{"role": "user", "content": content}], temperature=0.5)
    assert both.text(answer) == TEXT
    for place, server in enumerate(both.servers):
        body = server.chats[0].json()
        assert (body["model"], body["temperature"]) == (f"their-{place}", 0.5)
        assert body["messages"] == [{"role": "user", "content": content}]


@pytest.mark.parametrize("order", [(OpenAI(), Anthropic()), (Anthropic(), OpenAI())], ids=["to-anthropic", "to-openai"])
@every_way
def test_the_second_may_speak_another_dialect(pair, stage, order, stream):
    both = pair("failed", "good", dialects=order)
    answer = both.ask(stream)
    assert both.text(answer) == TEXT
    assert [place for place, _ in both.attempts(answer)] == [0, 1]
    assert not both.servers[1].faults


def test_a_third_is_asked_where_two_fail(pair):
    three = pair("unavailable", "reset", "good")
    answer = three.ask()
    assert three.text(answer) == TEXT
    assert three.attempts(answer) == [(0, "none"), (1, "unknown"), (2, "confirmed")]


def test_the_callers_own_mistake_is_not_taken_elsewhere(stage, pair):
    both = pair("context", "good")
    answer = both.ask()
    assert answer.status_code == 400
    assert both.asked == [1, 0] and both.attempts(answer) == [(0, "none")]
    assert stage.row(answer.headers["x-request-id"])["status"] == "rejected"


# MARK: After it


@pytest.mark.parametrize(
    "scenario, code",
    [
        ("error-midway", "UPSTREAM_ERROR"),
        ("no-end", "UPSTREAM_TRUNCATED"),
        ("cut", "UPSTREAM_TRUNCATED"),
        ("broken-json", "UPSTREAM_INVALID_RESPONSE"),
        ("silent-midway", "UPSTREAM_TIMEOUT"),
    ],
)
def test_after_the_first_word_nobody_else_is_asked(stage, pair, scenario, code):
    both = pair(scenario, "good")
    answer = stage.ask_raw(both.model, stream=True)
    text = answer.body.decode()
    assert "Hello" in text and "[DONE]" not in text
    assert f'"code":"{code}"' in text.replace('": "', '":"')
    assert both.asked == [1, 0]
    assert len(stage.attempts(answer.headers["x-request-id"])) == 1


# MARK: When all are down


@every_way
@pytest.mark.parametrize(
    "first, second, status, codes",
    [
        ("unavailable", "unavailable", 503, {"PROVIDER_DEGRADED", "NO_ROUTE"}),
        ("rate-limited", "rate-limited", 429, {"UPSTREAM_RATE_LIMITED"}),
        ("failed", "failed", 502, {"UPSTREAM_ERROR"}),
        ("reset", "reset", 502, {"UPSTREAM_UNREACHABLE"}),
    ],
)
def test_when_all_fail_the_error_is_clear_and_says_when_to_come_again(
    pair, stage, first, second, status, codes, stream
):
    both = pair(first, second)
    answer = both.ask(stream)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, next(iter(codes & {error["code"]}), None)), answer.text
    assert error["message"] and error["hint"] and MARK not in answer.text
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["volery-route"] in both.deployments
    places = [place for place, _ in both.attempts(answer)]
    assert set(places) == {0, 1} and len(places) <= 4
    row = stage.row(answer.headers["x-request-id"])
    assert (row["status"], row["http_status"], row["error_code"]) == ("failed", status, error["code"])
    assert row["output_tokens"] == 0


def test_the_wait_that_a_provider_asks_for_is_told(pair):
    alone = pair("rate-limited")
    answer = alone.ask()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, str(WAIT))
    assert alone.asked == [1], "one that asks to wait is not asked again at once"


def test_retries_are_a_small_share_of_the_traffic(pair):
    alone, requests = pair("failed"), 60
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: alone.ask(), range(requests)))
    assert {answer.status_code for answer in answers} <= {502, 503}
    assert alone.asked[0] <= requests * 1.25 + 5, "a failing provider is not asked several times by each caller"


# MARK: The route


def test_the_route_of_a_request_tells_of_every_candidate(pair):
    both = pair("unavailable", "good")
    answer = both.ask()
    told = both.route(answer)
    assert told.status_code == 200, told.text
    body = told.json()
    assert body["decision"]
    assert {candidate["deployment"] for candidate in body["candidates"]} == set(both.deployments)
    assert all(isinstance(candidate["taken"], bool) and candidate["reason"] for candidate in body["candidates"])
    assert both.route(answer).json() == body, "a recorded decision replays to the same answer"


def test_the_route_of_another_workspaces_request_is_nobodys(pair, stage):
    both = pair("good")
    answer = both.ask()
    admin = Admin(stage.platform)
    stranger = admin.key(admin.workspace(admin.tenant()["id"])["id"])["key"]
    assert both.route(answer).status_code == 200
    assert both.route(answer, stranger).status_code == 404
    path = "/v1/requests/req_01J00000000000000000000000/route"
    assert stage.call("GET", path, stage.platform.key).status_code == 404


def test_every_answer_names_its_deployment(pair):
    both = pair("good", "good")
    for stream in (False, True):
        answer = both.ask(stream)
        assert answer.headers["volery-route"] == both.deployments[0]
        assert answer.headers["x-request-id"].startswith("req_")
    assert both.asked == [2, 0], "the one with the smaller priority is first"


def test_one_that_is_disabled_is_not_asked_and_comes_back(pair, stage):
    both = pair("good", "good")
    assert stage.platform.volery("registry", "disable", both.deployments[0]).code == 0
    processes.wait_until(
        lambda: both.ask().headers["volery-route"] == both.deployments[1], 60, "nobody asks the disabled one"
    )
    before = both.asked[0]
    answer = both.ask()
    assert both.asked[0] == before
    reasons = {one["deployment"]: one["reason"] for one in both.route(answer).json()["candidates"]}
    assert "disabled" in reasons[both.deployments[0]].lower()
    assert stage.platform.volery("registry", "enable", both.deployments[0]).code == 0
    processes.wait_until(lambda: both.ask().headers["volery-route"] == both.deployments[0], 60, "it is asked again")


def test_weights_share_the_traffic(stage, pair):
    both = pair("good", "good")
    for deployment, weight in zip(both.deployments, ("75", "25"), strict=True):
        changed = stage.platform.volery("registry", "update", deployment, "--weight", weight, "--priority", "0")
        assert changed.code == 0, changed.err
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: both.ask(), range(200)))
    # 150 of 200 are expected; five standard deviations are 31.
    assert 119 <= both.asked[0] <= 181 and sum(both.asked) == 200


# MARK: Killed in between


def test_kill_9_in_the_middle_of_a_fallback_leaves_one_row_with_every_call(fresh, tmp_path):
    platform = fresh(data_dir=tmp_path / "data").start()
    with ExitStack() as stack:
        failing, silent = (stack.enter_context(ProviderServer(OpenAI(), key=False)) for _ in range(2))
        failing.override, silent.override = "failed", "silent"
        before = Stage(platform)
        deployments = [
            before.register("torn", server.url, "--priority", str(place))
            for place, server in enumerate((failing, silent))
        ]
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(before.ask, "torn")
            processes.wait_until(lambda: silent.chats, 60, "the second was asked", interval=0.02)
            platform.process.kill()
            platform.process.wait(10)
            with pytest.raises(httpx.TransportError):
                asked.result(60)
        before.close()
        after = Stage(platform.start())
        rows = processes.wait_until(
            lambda: after.call("GET", "/v1/usage/rows", params={"limit": 50}).json()["data"], 60, "the row"
        )
        assert [row["status"] for row in rows] == ["interrupted"]
        made = [(one["deployment_id"], one["number"], one["cost_state"]) for one in rows[0]["attempts"]]
        assert made == [(deployments[0], 1, "unknown"), (deployments[1], 2, "unknown")]
        route = after.call("GET", f"/v1/requests/{rows[0]['request_id']}/route", platform.key).json()
        assert [one["deployment"] for one in route["candidates"]] == deployments
        assert (len(failing.chats), len(silent.chats)) == (1, 1), "nobody is asked again after a start"
        after.close()
        assert platform.stop() == 0, platform.output[-4000:]
