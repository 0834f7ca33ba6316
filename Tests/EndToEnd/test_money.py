"""Prices, budgets, credit and limits as scripts use them, and the faults that other gateways are known for."""

import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import httpx2 as httpx
import pytest
from harness import processes
from harness.accounts import metric
from harness.money import Spender, command, priced_model, set_price, statuses, verified
from harness.tenancy import refused, unique
from harness.volery import BINARY, Platform


# MARK: Prices


def test_a_price_is_quoted_and_then_charged_to_the_last_digit(shop, spender):
    name = unique("exact")
    set_price(shop, name, "0.6", given="0.15", per="1m")
    quote = command(shop, "prices", "quote", "--model", name, "--input-tokens", "7", "--output-tokens", "3")
    assert Decimal(quote["price"]["amount"]) == Decimal("0.00000285") and quote["price"]["currency"] == "USD"

    answer = spender.ask("demo-echo", prompt="Hello there", words=5)
    assert answer.status_code == 200, answer.text
    usage = answer.json()["usage"]
    expected = usage["prompt_tokens"] * Decimal("0.000001") + usage["completion_tokens"] * Decimal("0.000002")
    assert Decimal(answer.headers["volery-cost"].split()[0]) == expected
    assert spender.spent() == expected
    row = spender.rows()[0]
    assert Decimal(row["price"]["amount"]) == expected and row["price_version"] >= 1


def test_a_request_is_priced_by_the_book_of_its_acceptance(shop, spender, fast):
    name = priced_model(shop, fast.url, "1")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(spender.ask, name, 20, prompt="words=20 pause=100", stream=True)
        processes.wait_until(lambda: metric(shop, "volery_requests_in_flight") > 0, 60, "the stream runs")
        set_price(shop, name, "1000")
        assert slow.result().status_code == 200
    assert spender.spent() == 20


def test_no_price_waits_in_suspense_until_there_is_one(shop, spender, fast):
    name = unique("unpriced")
    shop.register(fast.url, name)
    before = metric(shop, "volery_unpriced_requests_total")
    assert spender.ask(name, 3).status_code == 200
    assert spender.spent() == 0
    assert metric(shop, "volery_unpriced_requests_total") == before + 1
    set_price(shop, name, "2")
    command(shop, "ledger", "suspense", "resolve")
    assert spender.spent() == 6


def test_under_a_hard_budget_a_model_without_a_price_is_refused(shop, spender, fast):
    name = unique("unpriced")
    shop.register(fast.url, name)
    spender.budget("10")
    refused(spender.ask(name, 3), 403, "PRICE_MISSING")


# MARK: Budgets


def test_a_hard_budget_says_what_is_over_and_that_trying_again_is_no_use(spender, model):
    budget = spender.budget("10", period="day")
    assert spender.ask(model, 10).status_code == 200
    answer = spender.ask(model, 10)
    refused(answer, 429, "QUOTA_EXCEEDED")
    assert answer.headers["x-should-retry"] == "false" and "retry-after" not in answer.headers
    assert budget["id"] in answer.text
    assert spender.spent() == 10


def test_a_soft_budget_stops_nothing(spender, model):
    spender.budget("5", hard=False)
    assert statuses([spender.ask(model, 10) for _ in range(3)]) == [200, 200, 200]
    assert spender.spent() == 30


@pytest.mark.parametrize("scope", ["key", "model", "tag"])
def test_a_budget_binds_what_it_names_and_nothing_else(shop, spender, model, fast, scope):
    other_key, other_model = spender.another_key(), priced_model(shop, fast.url)
    flags = {"key": ("--key", spender.key_id), "model": ("--model", model), "tag": ("--tag", "blue")}
    spender.budget("10", *flags[scope])
    blue = {"headers": {"volery-tags": "blue,green"}}
    assert spender.ask(model, 10, **blue).status_code == 200
    refused(spender.ask(model, 10, **blue), 429, "QUOTA_EXCEEDED")
    free = {
        "key": lambda: other_key.ask(model, 10, **blue),
        "model": lambda: spender.ask(other_model, 10, **blue),
        "tag": lambda: spender.ask(model, 10, headers={"volery-tags": "green"}),
    }
    assert free[scope]().status_code == 200


def test_a_quota_of_tokens_is_a_wall_like_any_budget(shop, spender, model):
    command(
        shop,
        *("quotas", "set", "--workspace", spender.workspace, "--unit", "requests", "--amount", "3"),
        *("--period", "day", "--hard"),
    )
    assert statuses(spender.ask_together(8, model, 2)) == [200] * 3 + [429] * 5


# MARK: What other gateways are known for


def test_litellm_overshoot_many_at_once_against_a_budget_for_a_few(spender, model):
    """LiteLLM#34732, #40095: four of five were admitted where three had room."""
    spender.budget("30")
    answers = spender.ask_together(5, model, 10)
    assert statuses(answers) == [200, 200, 200, 429, 429]
    assert spender.spent() == 30


def test_one_api_quota_race_fifty_of_a_hundred_against_a_thousand(spender, model):
    """one-api PR#2446: all fifty passed, and 5000 was spent."""
    spender.budget("1000")
    answers = spender.ask_together(50, model, 100)
    assert statuses(answers) == [200] * 10 + [429] * 40
    assert spender.spent() == 1000


def test_litellm_phantom_reservations_nothing_stays_held_after_failures(shop, spender, model, upstream):
    """LiteLLM#27639, #28247, #30460: what failed stayed reserved, and later requests met a false 429."""
    dead = priced_model(shop, "http://127.0.0.1:9/v1")
    broken = priced_model(shop, upstream.url)
    upstream.script = lambda connection, request: connection.reset()
    spender.budget("100")
    for _ in range(20):
        # After five failures they are left alone for a time.
        assert spender.ask(dead, 50).status_code in (502, 503)
        assert spender.ask(broken, 50).status_code in (502, 503)
    assert spender.spent() == 0
    assert statuses(spender.ask_together(2, model, 50)) == [200, 200], "all of the budget is there"
    assert spender.spent() == 100


def test_new_api_disconnects_who_leaves_pays_for_what_was_produced(spender, model):
    """new-api#4168, #7062, #7486: free, or charged for all of it, depending on when the client left."""
    spender.budget("1000")
    for leave_after in (0, 1, 5):
        before = spender.spent()
        _leave_stream(spender, model, words=200, after=leave_after)
        paid = spender.spent() - before
        assert leave_after <= paid < 200, f"left after {leave_after} words and paid {paid}"
    assert spender.ask(model, 100).status_code == 200
    spender.settle()
    assert spender.balance()["pending"] == 0


@pytest.mark.parametrize(("content", "tokens"), [("a", 12), ("word ", 15)], ids=["by events", "by bytes"])
def test_litellm_streams_without_usage_are_not_free(shop, spender, upstream, content, tokens):
    """LiteLLM#37923: streams whose upstream reported nothing were priced at zero.

    Here they are priced by what passed through: a token for each content event, or for each four bytes of content,
    whichever is more (ADR 32). Twelve events of five bytes have fifteen tokens.
    """

    def silent(connection, request):
        connection.begin_stream()
        for _ in range(12):
            connection.event({"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}]})
        connection.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        connection.event("[DONE]")
        connection.end_stream()

    name = priced_model(shop, upstream.url)
    upstream.script = silent
    answer = spender.ask(name, 50, stream=True)
    assert answer.status_code == 200 and "[DONE]" in answer.text
    assert spender.spent() == tokens
    assert [row["token_source"] for row in spender.rows()] == ["estimated"]


def test_litellm_stuck_concurrency_slots_come_back_however_a_client_ends(spender, model):
    """LiteLLM#20256, #17323: counters went up and never down."""
    spender.limit(concurrency=2)
    for _ in range(6):
        _leave_stream(spender, model, words=200, after=1)
    spender.settle()

    def both() -> bool:
        return statuses(spender.ask_together(2, model, 3)) == [200, 200]

    processes.wait_until(both, 60, "both slots are free", interval=0.2)
    # Long enough that all six are there before the first two end.
    answers = spender.ask_together(6, model, 10, prompt="words=10 pause=400", stream=True)
    assert statuses(answers).count(200) >= 2
    assert {answer.status_code for answer in answers} == {200, 429}
    for answer in answers:
        if answer.status_code == 429:
            refused(answer, 429, "RATE_LIMITED")
            assert "retry-after" in answer.headers


def test_what_the_upstream_makes_above_the_cap_is_the_platforms_loss(shop, spender, fast):
    name = priced_model(shop, fast.url)
    spender.budget("1000")
    before = metric(shop, "volery_actual_above_hold_total")
    assert spender.ask(name, 5, prompt="words=40").status_code == 200, "the upstream ignores max_tokens"
    assert spender.spent() == 5
    assert metric(shop, "volery_actual_above_hold_total") == before + 1


# MARK: Limits


def test_requests_a_minute_are_counted_and_told(spender, model):
    spender.limit(rpm=3)
    first = spender.ask(model, 1)
    assert first.status_code == 200
    assert first.headers["x-ratelimit-limit-requests"] == "3"
    assert first.headers["x-ratelimit-remaining-requests"] == "2"
    assert first.headers["x-ratelimit-reset-requests"].endswith("s")
    answers = [spender.ask(model, 1) for _ in range(4)]
    assert [answer.status_code for answer in answers][:2] == [200, 200]
    refused(answers[-1], 429, "RATE_LIMITED")
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_tokens_a_minute_are_taken_by_estimate_and_corrected(spender, model):
    spender.limit(tpm=1000)
    answer = spender.ask(model, 100)
    assert answer.status_code == 200 and answer.headers["x-ratelimit-limit-tokens"] == "1000"
    refused(spender.ask(model, 5000), 429, "RATE_LIMITED")
    # What was taken by estimate and not used came back: ten of these would not fit by their estimates.
    assert statuses([spender.ask(model, 200, prompt="words=5") for _ in range(4)]) == [200] * 4


# MARK: Credit


def test_prepaid_runs_on_credit_alone_and_in_the_order_of_the_grants(spender, model):
    spender.prepaid()
    refused(spender.ask(model, 10), 429, "QUOTA_EXCEEDED")
    spender.credit("15", "--priority", "2")
    spender.credit("20", "--priority", "1")
    assert spender.balance() == {"posted": 35, "pending": 0, "available": 35}
    assert statuses(spender.ask_together(5, model, 10)) == [200, 200, 200, 429, 429]
    spender.settle()
    assert spender.balance()["posted"] == 5


def test_postpaid_needs_no_credit_and_uses_it_first(spender, model):
    assert spender.ask(model, 10).status_code == 200
    spender.credit("25")
    assert spender.ask(model, 10).status_code == 200
    spender.settle()
    assert spender.balance()["posted"] == 5


# MARK: Kills


def test_a_killed_platform_charges_once_and_holds_nothing(tmp_path, fast):
    running = Platform(tmp_path / "data", ("--no-default-models",)).start()
    try:
        set_price(running, "demo-echo", "0.000002", given="0.000001")
        spender = Spender.made(running)
        name = priced_model(running, fast.url)
        spender.budget("100000")
        for _ in range(3):
            threads = [
                threading.Thread(target=_ask_and_forget, args=(spender, name)) for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            processes.wait_until(lambda: metric(running, "volery_requests_in_flight") > 4, 60, "requests run")
            running.process.kill()
            running.process.wait(10)
            for thread in threads:
                thread.join(30)
            running.start()
        spent = spender.spent()
        rows = spender.rows()
        assert spent == sum(Decimal(row["price"]["amount"]) for row in rows if row["price"])
        assert spent == sum(row["output_tokens"] for row in rows)

        def nothing_is_held() -> bool:
            return spender.balance()["pending"] == 0

        processes.wait_until(nothing_is_held, 60, "nothing is held", interval=0.5)
        verified(running)
    finally:
        running.stop()


def _ask_and_forget(spender: Spender, model: str) -> None:
    try:
        spender.ask(model, 400, prompt="words=400 pause=10", stream=True)
    except httpx.HTTPError:
        # The platform was killed under it.
        return


def _leave_stream(spender: Spender, model: str, words: int, after: int) -> None:
    """Opens a stream and closes the connection after so many words."""
    prompt = f"words={words} pause=20"
    body = {"model": model, "max_tokens": words, "stream": True, "messages": [{"role": "user", "content": prompt}]}
    headers = {"authorization": f"Bearer {spender.token}"}
    url = spender.platform.url + "/v1/chat/completions"
    with httpx.stream("POST", url, json=body, headers=headers, timeout=30) as answer:
        assert spender.note(answer).status_code == 200
        seen = 0
        for line in answer.iter_lines():
            if '"content"' in line:
                seen += 1
            if seen >= after:
                return


def _killed_with_a_full_journal(fresh, url: str, requests: int) -> Spender:
    """A platform that was killed before any of its requests was stored; each costs 3."""
    platform = fresh(environment={"VOLERY_JOURNAL_INTERVAL": "60s"}).start()
    model = priced_model(platform, url, "1")
    spender = Spender.made(platform)
    spender.budget("100000")
    assert set(statuses(spender.ask_together(requests, model, 3))) == {200}
    platform.process.kill()
    platform.process.wait(10)
    return spender


def test_a_command_settles_what_a_killed_platform_left_in_its_journal(fresh, fast):
    spender = _killed_with_a_full_journal(fresh, fast.url, 10)

    # Nothing runs: the command ships the journal itself.
    rows = spender.rows()
    assert len(rows) == 10 and {row["bill_state"] for row in rows} == {"charged"}, rows
    assert -spender.balance()["posted"] == 30
    verified(spender.platform)
    spender.platform.start()
    assert spender.spent() == 30
    verified(spender.platform)


def test_commands_that_are_killed_while_they_ship_lose_and_double_nothing(fresh, fast):
    spender = _killed_with_a_full_journal(fresh, fast.url, 60)
    for milliseconds in range(20, 320, 20):
        command = [str(BINARY), "--data-dir", str(spender.platform.data_dir), "keys", "list"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            time.sleep(milliseconds / 1000)
            run.kill()
    spender.platform.start()
    assert spender.spent() == 180
    assert len(spender.rows()) == 60
    verified(spender.platform)
