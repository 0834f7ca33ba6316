"""What an outsider sees of the ledger: that it was changed; and, at the edge of the API, what answers say of money."""

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import openai
import pytest
from harness.money import Spender, command, set_price, verified
from harness.tenancy import refused
from harness.volery import Platform

ROOT = Path(__file__).parents[2]

#: What somebody does who can write the database, and holds no key of ours; and what must be said of it.
CHANGES = {
    "a charge is made smaller": (
        "UPDATE transfer SET amount = amount - 1 WHERE reason = 'charge'",
        {"posting_changed", "charge_differs"},
    ),
    "a charge is taken away": (
        "DELETE FROM transfer WHERE reason = 'charge'",
        {"transfer_missing", "charge_differs"},
    ),
    "a charge is put on another account": (
        "UPDATE transfer SET debit_account = credit_account WHERE reason = 'charge'",
        {"posting_changed"},
    ),
    "the price in a usage row is changed": (
        "UPDATE usage SET price = price + 1 WHERE price IS NOT NULL",
        {"charge_differs"},
    ),
    "what a budget has counted is changed": (
        "UPDATE ledger_account SET debits = debits - 1 WHERE debits > 0",
        {"sums_differ"},
    ),
    "the end of the chain is cut off": (
        "DELETE FROM ledger_link WHERE number = (SELECT max(number) FROM ledger_link)",
        {"chain_cut"},
    ),
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Iterator[Platform]:
    """A platform whose model has a price, with some requests behind it."""
    running = Platform(tmp_path_factory.mktemp("shop") / "data", ("--no-default-models",)).start()
    try:
        set_price(running, "demo-echo", "0.002", given="0.001")
        yield running
    finally:
        assert running.stop() == 0, running.output[-3000:]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> Platform:
    """The same, stopped, and whole."""
    platform = Platform(tmp_path_factory.mktemp("whole") / "data", ("--no-default-models",)).start()
    set_price(platform, "demo-echo", "0.002", given="0.001")
    spender = Spender.made(platform)
    spender.budget("10")
    assert all(answer.status_code == 200 for answer in spender.ask_together(4, "demo-echo", 5))
    spender.settle()
    assert platform.stop() == 0, platform.output[-3000:]
    assert verified(platform)["requests"] == 4
    return platform


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_ledger_is_found_and_explained(stopped, tmp_path, change):
    statement, expected = CHANGES[change]
    shutil.copytree(stopped.data_dir, tmp_path / "data")
    database = sqlite3.connect(tmp_path / "data/volery.db")
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        database.execute(f'DROP TRIGGER "{name}"')
    assert database.execute(statement).rowcount > 0, "or there is nothing to find"
    database.commit()
    database.close()
    done = Platform(tmp_path / "data").volery("ledger", "verify", "--json", timeout=120)
    verdict = json.loads(done.out)
    assert done.code == 1 and verdict["ok"] is False
    found = {finding["kind"] for finding in verdict["findings"]}
    assert expected <= found, verdict["findings"]
    assert all(finding["message"] for finding in verdict["findings"])


def stream(spender: Spender, **more) -> str:
    answer = spender.ask("demo-echo", 20, stream=True, **more)
    assert answer.status_code == 200 and "volery-cost" not in answer.headers, answer.text
    return answer.text


def test_a_stream_tells_its_price_in_a_comment_to_who_asks_for_usage(shop):
    spender = Spender.made(shop)
    told = stream(spender, stream_options={"include_usage": True})
    comments = [line for line in told.splitlines() if line.startswith(":")]
    assert len(comments) == 1 and comments[0].startswith(": volery-cost 0.0")
    assert told.endswith(f"{comments[0]}\n\ndata: [DONE]\n\n")
    for silent in ({}, {"stream_options": {"include_usage": False}}):
        assert not [line for line in stream(spender, **silent).splitlines() if line.startswith(":")]


def test_openais_client_reads_streams_with_prices_and_understands_the_walls(shop):
    spender = Spender.made(shop)
    client = openai.OpenAI(base_url=f"{shop.url}/v1", api_key=spender.token, timeout=60)
    asked = {"model": "demo-echo", "max_tokens": 60, "messages": [{"role": "user", "content": "One two three"}]}
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.completion_tokens > 0 and not chunks[-1].choices
    assert "three" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    raw = client.chat.completions.with_raw_response.create(**asked)
    assert raw.headers["volery-cost"].endswith(" USD") and raw.parse().usage.total_tokens > 0

    budget = spender.budget("0.01")
    with pytest.raises(openai.RateLimitError) as wall:
        client.chat.completions.create(**asked)
    error = wall.value
    assert error.code == "QUOTA_EXCEEDED" and error.body["budget_id"] == budget["id"]
    assert error.response.headers["x-should-retry"] == "false"
    assert "cannot pay for this request" in str(error) and "used up" not in str(error)


def test_the_remaining_budget_is_what_is_left_after_the_answer(shop):
    spender = Spender.made(shop)
    spender.budget("1")
    answer = spender.ask("demo-echo", 20)
    cost, remaining = (float(answer.headers[name].split()[0]) for name in ("volery-cost", "volery-budget-remaining"))
    assert remaining == pytest.approx(1 - cost), "what was set aside for it and not used is left"


def test_without_a_price_prepaid_is_told_what_is_missing(shop, fast):
    spender = Spender.made(shop)
    shop.register(fast.url, "priceless")
    spender.prepaid()
    answer = spender.ask("priceless", 3)
    refused(answer, 403, "PRICE_MISSING")
    assert answer.json()["error"]["model"] == "priceless"
    page = shop.get("/docs/errors/PRICE_MISSING").text
    assert "## An example" in page and command(shop, "prices", "show")["version"] == 1


def test_the_metrics_of_money_are_those_that_the_manual_explains(shop):
    ours = re.compile(r"volery_(?:unpriced|actual_above|late|escrow|admission|ledger|money)_[a-z_]*[a-z]")
    assert Spender.made(shop).ask("demo-echo", 5).status_code == 200
    scraped = httpx.get(shop.metrics_url, timeout=30).text
    explained = set(ours.findall((ROOT / "docs/operations.md").read_text()))
    assert set(ours.findall(scraped)) == explained and len(explained) >= 15
    for name in explained:
        assert f"# HELP {name} " in scraped, name


def test_a_zone_that_is_none_is_refused_wherever_it_is_given(shop):
    for path in ("/v1/usage", "/v1/usage/rows", "/v1/admin/usage?each=true"):
        answer = shop.get(path + ("&" if "?" in path else "?") + "zone=Atlantis", key=shop.operator_token)
        assert answer.status_code == 400 and answer.json()["param"] == "zone", path
