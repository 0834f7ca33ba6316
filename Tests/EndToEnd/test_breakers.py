"""A deployment that keeps failing is left alone, probed, and taken back."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import processes
from harness.upstream import Connection, Request
from providers import TURNS, OpenAI
from providers.pairs import TEXT, Pair, paired, paired_stage
from providers.stage import Stage


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    with paired_stage(tmp_path_factory.mktemp("breakers") / "data") as stage:
        yield stage


@pytest.fixture
def pair(stage) -> Iterator[Callable[..., Pair]]:
    with paired(stage) as make:
        yield make


def opened(both: Pair, seconds: float = 20) -> None:
    """Asks until the first is asked no longer."""
    deadline = time.monotonic() + seconds
    while True:
        before = both.asked[0]
        for _ in range(3):
            assert both.text(both.ask()) == TEXT
        if both.asked[0] == before:
            return
        assert time.monotonic() < deadline and both.asked[0] < 60, "the breaker does not open"


def test_one_that_keeps_failing_is_left_alone_and_the_route_says_why(pair):
    both = pair("failed", "good")
    opened(both)
    before = both.asked[0]
    answer = both.ask()
    assert both.asked[0] == before
    assert both.attempts(answer) == [(1, "confirmed")], "nobody waits for it"
    told = both.route(answer).json()
    reasons = {candidate["deployment"]: candidate for candidate in told["candidates"]}
    assert reasons[both.deployments[1]]["taken"] is True
    assert reasons[both.deployments[0]]["taken"] is False
    assert "breaker" in reasons[both.deployments[0]]["reason"].lower()


def test_one_that_recovered_is_taken_back_after_a_probe(pair):
    both = pair("failed", "good")
    opened(both)
    both.servers[0].override = "good"

    def answered_by_first() -> bool:
        answer = both.ask()
        assert both.text(answer) == TEXT
        return answer.headers["volery-route"] == both.deployments[0]

    processes.wait_until(answered_by_first, 60, "the first is asked again", interval=0.25)
    for _ in range(5):
        assert answered_by_first(), "it is closed again"


def test_a_probe_is_one_request_and_the_others_do_not_wait_for_it(pair):
    both = pair("failed", "good")
    opened(both)
    may_answer = threading.Event()

    def held(connection: Connection, request: Request) -> None:
        may_answer.wait(60)
        connection.answer(OpenAI().whole(request, TURNS["good"]))

    both.servers[0].script = held
    before = both.asked[0]
    deadline = time.monotonic() + 60
    with ThreadPoolExecutor(6) as pool:
        while both.asked[0] == before:
            assert time.monotonic() < deadline, "no probe was made"
            may_answer.clear()
            asking = [pool.submit(both.ask) for _ in range(6)]
            # The probe is held until the others are answered, so that none of them comes after its end.
            processes.wait_until(lambda: sum(one.done() for one in asking) >= 5, 60, "nobody waits for the probe")
            may_answer.set()
            assert {both.text(one.result()) for one in asking} == {TEXT}
    assert both.asked[0] == before + 1


def test_a_probe_that_fails_costs_its_caller_nothing(pair):
    both = pair("failed", "good")
    opened(both)
    before = both.asked[0]

    def probed() -> bool:
        answer = both.ask()
        assert both.text(answer) == TEXT
        return both.asked[0] > before

    processes.wait_until(probed, 60, "a probe was made", interval=0.25)
    after = both.asked[0]
    for _ in range(5):
        assert both.text(both.ask()) == TEXT
    assert both.asked[0] == after, "it is open again"


def test_a_lone_deployment_that_keeps_failing_is_refused_with_a_time(pair):
    alone = pair("failed")

    def refused() -> bool:
        answer = alone.ask()
        assert answer.status_code in (502, 503)
        return answer.json()["error"]["code"] in ("PROVIDER_DEGRADED", "NO_ROUTE") and bool(
            answer.headers["retry-after"]
        )

    processes.wait_until(refused, 60, "the breaker opens", interval=0.02)
    before = alone.asked[0]
    assert refused() and alone.asked[0] == before
