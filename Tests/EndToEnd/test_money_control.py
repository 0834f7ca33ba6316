"""Money in the hands of operators and callers: files of prices, credit that is taken back, and what answers say."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx2 as httpx
import openai
import pytest
from harness.money import command
from harness.tenancy import Admin, refused, unique
from harness.volery import Platform

MESSAGES = [{"role": "user", "content": "words=10"}]


def versions(shop: Platform) -> list[int]:
    return [row["version"] for row in command(shop, "prices", "list")]


# MARK: Files of prices


def test_a_file_of_prices_is_a_version_once_and_names_its_faults(shop, tmp_path):
    kept = command(shop, "prices", "show")
    file = tmp_path / "prices.yaml"
    name = unique("imported")
    file.write_text(f"currency: USD\nprices:\n  - model: {name}\n    input: cheap\n    outptu: 2\n")
    before = versions(shop)
    faulty = shop.volery("prices", "import", str(file))
    assert faulty.code == 5 and faulty.out == ""
    assert f"{file}:4:12: prices[0].input is `cheap`" in faulty.err
    assert f"{file}:5:5: prices[0].outptu is not known; did you mean `output`? (VALIDATION_ERROR)" in faulty.err

    file.write_text(f"currency: USD\nprices:\n  - {{model: {name}, input: 1, output: 2}}\n")
    assert shop.volery("prices", "import", str(file), "--dry-run").code == 0
    assert versions(shop) == before, "neither a fault nor --dry-run changes anything"
    made = command(shop, "prices", "import", str(file))
    assert made["version"] == before[0] + 1 and made["entries"] == 2
    assert command(shop, "prices", "import", str(file)) == made, "what is in force already is no new version"
    quote = command(shop, "prices", "quote", "--model", name, "--input-tokens", "1000000", "--output-tokens", "0")
    assert quote["price"] == {"amount": "1.00", "currency": "USD"} and quote["price_version"] == made["version"]
    exported = tmp_path / "exported.yaml"
    exported.write_text(shop.volery("prices", "export").out)
    assert command(shop, "prices", "import", str(exported)) == made, exported.read_text()
    stale = shop.volery("prices", "import", str(file), "--after", str(before[0]))
    assert stale.code == 5 and "CONFLICT" in stale.err
    past = shop.volery("prices", "import", str(file), "--effective", "2020-01-01")
    assert past.code == 5 and "VALIDATION_ERROR" in past.err

    # The book that the other tests go by.
    Admin(shop).ok("POST", "/v1/admin/prices/import", {"prices": kept["prices"]})


def test_a_version_for_later_is_not_in_force_yet(shop, tmp_path):
    now = command(shop, "prices", "show")["version"]
    file = tmp_path / "later.yaml"
    file.write_text("currency: EUR\nprices: [{model: '*', input: 5}]\n")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = command(shop, "prices", "import", str(file), "--effective", tomorrow)
    assert made["version"] > now and made["effective"].startswith(tomorrow[:19])
    assert command(shop, "prices", "show")["version"] == now
    assert command(shop, "prices", "show", "--version", str(made["version"]))["prices"][0]["price"]["currency"] == "EUR"


@pytest.mark.parametrize(
    ("amount", "why"),
    [
        ("-1", "must not be below 0"),
        ("1.1234567891", "more than the 9 digits"),
        ("99999999999", "must be at most 9223372036.854775807 USD"),
        ("1e3", "no decimal number"),
        ("1,000", "no decimal number"),
        ("NaN", "no decimal number"),
        (" ", "no decimal number"),
    ],
)
def test_an_amount_that_cannot_be_kept_is_refused_with_the_reason(shop, spender, amount, why):
    done = shop.volery("budgets", "set", "--workspace", spender.workspace, f"--amount={amount}", "--currency", "USD")
    assert done.code == 5 and done.out == "" and why in done.err, done.err


def test_a_currency_may_be_written_as_elsewhere(spender):
    assert spender.credit("5", currency="usd")["amount"] == {"amount": "5.00", "currency": "USD"}


# MARK: What can be taken back


def test_credit_that_is_revoked_pays_for_nothing_more(shop, spender, model):
    spender.prepaid()
    grant = spender.credit("1000")
    assert spender.ask(model, 10).status_code == 200
    assert spender.spent() == -990, "what is left of the credit"
    ended = command(shop, "credits", "revoke", grant["id"])
    assert Decimal(ended["spent"]["amount"]) == 10
    refused(spender.ask(model, 10), 429, "QUOTA_EXCEEDED")
    assert shop.volery("credits", "revoke", grant["id"]).code == 0, "twice is no fault"
    assert spender.balance()["available"] == 0

    spender.credit("20")
    assert spender.ask(model, 10).status_code == 200


def test_rules_and_plans_can_be_removed(shop, spender, model):
    spender.prepaid()
    refused(spender.ask(model, 10), 429, "QUOTA_EXCEEDED")
    gone = command(shop, "wallets", "remove", "--workspace", spender.workspace)
    assert gone["mode"] == "prepaid"
    assert spender.ask(model, 10).status_code == 200
    assert shop.volery("wallets", "remove", "--workspace", spender.workspace).code == 3

    tenant = gone["tenant_id"]
    assert command(shop, "plans", "set", "free", "--tenant", tenant)["plan"]["name"] == "free"
    assert spender.ask(model, 1).headers["x-ratelimit-limit-requests"] == "10"
    assert command(shop, "plans", "remove", "--tenant", tenant)["plan"] is None
    assert "x-ratelimit-limit-requests" not in spender.ask(model, 1).headers


def test_a_budget_is_raised_and_removed_while_requests_come(shop, spender, model):
    first = spender.budget("10", period="month")
    assert spender.ask(model, 10).status_code == 200
    refused(spender.ask(model, 10), 429, "QUOTA_EXCEEDED")
    raised = spender.budget("20", period="month")
    assert raised["id"] == first["id"] and raised["limit"]["amount"] == "20.00"
    assert spender.ask(model, 10).status_code == 200
    refused(spender.ask(model, 10), 429, "QUOTA_EXCEEDED")
    command(shop, "budgets", "remove", first["id"])
    assert spender.ask(model, 10).status_code == 200
    assert command(shop, "budgets", "list", "--workspace", spender.workspace) == []


def test_a_keys_budget_needs_no_other_name(shop, spender, model):
    set_for = command(
        shop, *("budgets", "set", "--key", spender.key_id, "--amount", "10", "--currency", "USD", "--hard")
    )
    assert set_for["key_id"] == spender.key_id
    assert spender.ask(model, 10).status_code == 200
    refused(spender.ask(model, 10), 429, "QUOTA_EXCEEDED")
    assert spender.another_key().ask(model, 10).status_code == 200


def test_quotas_are_listed_beside_budgets_and_alone(shop, spender):
    spender.budget("10")
    place = ("--workspace", spender.workspace)
    command(shop, *("quotas", "set", *place, "--unit", "audio_seconds", "--amount", "60.5", "--period", "day"))
    assert [row["limit"] for row in command(shop, "quotas", "list", *place)] == [
        {"amount": "60.5", "unit": "audio_seconds"}
    ]
    assert len(command(shop, "budgets", "list", *place)) == 2


# MARK: What answers say


def test_what_is_left_is_what_the_narrowest_bound_has_after_the_answer(spender, model):
    spender.budget("100")
    answer = spender.ask(model, 10)
    assert answer.headers["volery-cost"] == "10.00 USD"
    assert answer.headers["volery-budget-remaining"] == "90.00 USD"
    spender.budget("50", period="day")
    assert spender.ask(model, 10).headers["volery-budget-remaining"] == "40.00 USD"


def test_credit_that_must_cover_everything_is_told_and_other_credit_is_not(spender, model):
    spender.credit("15", "--priority", "1")
    spender.credit("25", "--priority", "2")
    assert "volery-budget-remaining" not in spender.ask(model, 10).headers, "what is owed beyond it bounds nothing"
    spender.prepaid()
    assert spender.ask(model, 10).headers["volery-budget-remaining"] == "20.00 USD"


def test_the_official_client_meets_the_errors_that_it_knows(shop, spender, model):
    client = shop.client(spender.token)
    spender.budget("10", period="day")
    answer = client.chat.completions.with_raw_response.create(model=model, max_tokens=10, messages=MESSAGES)
    spender.answered.add(answer.headers["x-request-id"])
    with pytest.raises(openai.RateLimitError) as over:
        client.with_options(max_retries=5).chat.completions.create(model=model, max_tokens=10, messages=MESSAGES)
    assert over.value.code == "QUOTA_EXCEEDED" and over.value.body["amount"] == "10.00"
    assert over.value.response.headers["x-should-retry"] == "false"
    assert [row["http_status"] for row in spender.settle()] == [200], "a refusal is no usage"

    calm = spender.another_key()
    calm.budget("1000", "--key", calm.key_id)
    calm.limit(rpm=1)
    other = shop.client(calm.token)
    with pytest.raises(openai.RateLimitError) as fast:
        for _ in range(2):
            other.with_options(max_retries=0).chat.completions.create(model="demo-echo", messages=MESSAGES)
    assert fast.value.code in ("RATE_LIMITED", "QUOTA_EXCEEDED")


def test_a_stream_says_what_it_cost_to_whom_asked_for_usage(shop, spender, model):
    spender.budget("100")
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    answer = spender.ask(model, 10, **asked)
    assert ": volery-cost 10.00 USD" in answer.text.splitlines()
    assert answer.headers["volery-budget-remaining"].endswith(" USD")


# MARK: What callers may see and do


def test_a_plain_key_spends_and_changes_nothing_about_money(shop, spender):
    admin = Admin(shop, spender.token)
    own = {"workspace": spender.workspace, "currency": "USD"}
    attempts = [
        ("POST", "/v1/admin/prices", {"model": "m", "input": "0", "currency": "USD"}),
        ("POST", "/v1/admin/prices/import", {"prices": []}),
        ("PUT", "/v1/admin/budgets", own | {"amount": "5"}),
        ("PUT", "/v1/admin/limits", {"key": spender.key_id, "rpm": 5}),
        ("PUT", "/v1/admin/wallets", own | {"mode": "postpaid"}),
        ("DELETE", f"/v1/admin/wallets?workspace={spender.workspace}", None),
        ("POST", "/v1/admin/credits", own | {"amount": "5"}),
        ("PUT", "/v1/admin/plans/current", {"plan": "pro"}),
        ("DELETE", "/v1/admin/plans/current", None),
        ("GET", "/v1/admin/ledger/verify", None),
        ("POST", "/v1/admin/suspense/resolve", None),
    ]
    for method, path, body in attempts:
        answer = admin.call(method, path, body)
        assert answer.status_code in (403, 404), f"{method} {path}: {answer.status_code}"


def test_a_key_with_the_permissions_sees_its_workspace_and_every_total_has_its_rows(shop, spender, model):
    admin = Admin(shop)
    viewer = Admin(shop, admin.key(spender.workspace, scopes=["usage:read", "billing:read"])["key"])
    spender.budget("100")
    spender.credit("15")
    for tags in ("blue", "blue,green", ""):
        assert spender.ask(model, 10, headers={"volery-tags": tags} if tags else {}).status_code == 200
    spender.settle()

    [total] = viewer.ok("GET", "/v1/usage")["data"]
    assert total["requests"] == 3 and total["price"] == [{"amount": "30.00", "currency": "USD"}]
    assert total["cost"] is None, "what it costs the platform is the platform's"
    for groups in ("day", "day,model", "key", "user", "tag", "day,model,key,user,tag"):
        report = viewer.ok("GET", "/v1/usage", params={"group_by": groups, "zone": "Asia/Tehran"})
        for line in report["data"]:
            rows = viewer.ok("GET", line["rows_url"])["data"]
            assert len(rows) == line["requests"]
            assert sum(Decimal(row["price"]["amount"]) for row in rows) == Decimal(line["price"][0]["amount"])
            assert sum(row["output_tokens"] for row in rows) == line["output_tokens"]

    [budget] = viewer.all("/v1/budgets")
    assert budget["now"]["spent"] == {"amount": "30.00", "currency": "USD"}
    balance = viewer.ok("GET", "/v1/billing/balance")
    assert {"posted", "pending", "available", "currency"} <= balance.keys() and balance["posted"] == "-15.00"
    statement = viewer.ok("GET", "/v1/billing/statements")
    changes = [Decimal(line["change"]["amount"]) for line in statement["lines"]["data"]]
    assert 0 not in changes, "what is only set aside is no line"
    assert changes[0] == 15 and sum(changes) == -15 and statement["closing"]["amount"] == "-15.00"


def test_a_quote_takes_a_chat_as_it_will_be_sent_and_says_what_is_in_the_way(shop, spender, model):
    def quote(**members) -> dict:
        answer = httpx.post(
            shop.url + "/v1/quotes", json={"model": model} | members, headers=shop.headers(spender.token), timeout=30
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert quote(output_tokens=7)["price"] == {"amount": "7.00", "currency": "USD"}
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}]
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    chat = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c", "content": "4"},
    ]
    asked = quote(messages=chat, max_completion_tokens=20)
    assert asked["output_tokens"] == 20 and asked["input_tokens"] > 6000

    assert quote(output_tokens=10)["admitted"] is True
    budget = spender.budget("5")
    over = quote(output_tokens=10)
    assert over["admitted"] is False
    assert over["refusal"]["budget_id"] == budget["id"] and over["refusal"]["available"]["amount"] == "5.00"
    assert spender.rows() == [], "nothing ran, and nothing was set aside"
    assert spender.balance()["pending"] == 0


def test_usage_as_a_person_reads_it_has_what_it_cost(shop, spender, model):
    for _ in range(2):
        assert spender.ask(model, 10).status_code == 200
    assert spender.ask("demo-echo", 5).status_code == 200
    spender.settle()
    shown = shop.volery("usage", "--workspace", spender.workspace)
    assert shown.code == 0 and "PRICE" in shown.out and "20.00 USD" in shown.out
    assert "In all 3 requests, 20.0000" in shown.err
