"""A model has several names: walls bind it by each of them, and prices are kept by its own."""

from dataclasses import dataclass
from decimal import Decimal

import pytest
from harness.money import Spender, command
from harness.tenancy import Admin, chat, refused, unique
from harness.volery import volery


@dataclass
class Named:
    own: str
    alias: str


@pytest.fixture
def named(shop, fast) -> Named:
    """A model with another name, priced by that one: a dollar for each token of the answer."""
    names = Named(unique("own"), unique("alias"))
    command(
        shop,
        *("registry", "register", "--model", names.own, "--alias", names.alias, "--endpoint", fast.url),
        *("--protocol", "openai"),
    )
    done = shop.volery(
        *("prices", "set", "--model", names.alias, "--input", "0", "--output", "1", "--per", "1", "--currency", "USD")
    )
    assert done.code == 0, done.err
    assert f"`{names.alias}` is another name of `{names.own}`; its prices are set." in done.err
    return names


def test_a_price_set_by_another_name_charges_the_model(shop, spender, named):
    for name in (named.own, named.alias):
        answer = spender.ask(name, 3)
        assert answer.status_code == 200 and answer.headers["volery-cost"] == "3.00 USD"
        quote = command(shop, "prices", "quote", "--model", name, "--input-tokens", "1", "--output-tokens", "2")
        assert quote["model"] == named.own and Decimal(quote["price"]["amount"]) == 2
    assert spender.spent() == 6
    for name in (named.own, named.alias):
        place = ("--workspace", spender.workspace, "--model", name)
        assert command(shop, "usage", "--by", "model", *place)["data"][0]["requests"] == 2
        assert len(command(shop, "usage", "--each", *place)) == 2


@pytest.mark.parametrize("bound", ["own", "alias"])
def test_a_wall_on_one_name_binds_every_name(shop, spender, named, bound):
    pattern = getattr(named, bound)
    spender.budget("5", "--model", pattern)
    assert spender.ask(named.own, 3).status_code == 200
    for name in (named.own, named.alias):
        refused(spender.ask(name, 3), 429, "QUOTA_EXCEEDED")

    quick = Spender.made(shop)
    command(shop, "limits", "set", "--key", quick.key_id, "--model", pattern, "--rpm", "1")
    assert quick.ask(named.alias, 1).status_code == 200
    for name in (named.own, named.alias):
        refused(quick.ask(name, 1), 429, "RATE_LIMITED")

    counted = Spender.made(shop)
    command(
        shop,
        *("quotas", "set", "--workspace", counted.workspace, "--model", pattern, "--unit", "requests"),
        *("--amount", "1", "--hard"),
    )
    assert counted.ask(named.own, 1).status_code == 200
    refused(counted.ask(named.alias, 1), 429, "QUOTA_EXCEEDED")


@pytest.mark.parametrize("bound", ["own", "alias"])
def test_scopes_and_rules_by_one_name_are_about_the_model(shop, named, bound):
    admin, pattern = Admin(shop), getattr(named, bound)
    tenant = admin.tenant()
    workspace = admin.workspace(tenant["id"])["id"]
    scoped = admin.key(workspace, scopes=[f"model={pattern}"])["key"]
    for name in (named.own, named.alias):
        assert chat(shop, scoped, name).status_code == 200
    refused(chat(shop, scoped, "demo-echo"), 403, "POLICY_DENIED")
    listed = shop.get("/v1/models", key=scoped).json()["data"]
    assert [model["id"] for model in listed] == [named.own]
    assert shop.get(f"/v1/models/{named.alias}", key=scoped).json()["id"] == named.own

    command(
        shop,
        *("rules", "create", "--tenant", tenant["id"], "--name", "not this one", "--effect", "deny"),
        *("--model", pattern),
    )
    usual = admin.key(workspace)["key"]
    assert chat(shop, usual, "demo-echo").status_code == 200
    for name in (named.own, named.alias):
        refused(chat(shop, usual, name), 403, "POLICY_DENIED")


def test_a_name_that_no_model_has_is_taken_and_told(shop, spender):
    name = unique("nosuch")
    price = ("--input", "1", "--output", "1", "--currency", "USD")
    place = ("--workspace", spender.workspace)
    for arguments in (
        ("prices", "set", "--model", name, *price),
        ("budgets", "set", *place, "--model", name, "--amount", "1", "--currency", "USD"),
        ("quotas", "set", *place, "--model", name, "--amount", "1", "--unit", "tokens"),
        ("limits", "set", *place, "--model", name, "--rpm", "1"),
    ):
        done = shop.volery(*arguments)
        assert done.code == 0 and f"No model has the name `{name}` yet." in done.err, done.err
        known = shop.volery(*(word if word != name else "demo-echo-*" for word in arguments))
        assert known.code == 0 and "No model" not in known.err, known.err


def test_a_wall_in_a_currency_without_a_rate_warns_and_the_refusal_says_what_is_missing(shop, spender, named):
    done = shop.volery(
        *("budgets", "set", "--workspace", spender.workspace, "--model", named.alias, "--amount", "5"),
        *("--currency", "EUR", "--hard"),
    )
    assert done.code == 0 and "no rate from USD to EUR" in done.err and f"`{named.own}`" in done.err
    answer = spender.ask(named.own, 3)
    refused(answer, 403, "PRICE_MISSING")
    error = answer.json()["error"]
    assert "no rate from USD to EUR" in error["message"] and "`rates:`" in error["hint"]


def test_the_default_models_have_their_names_without_a_server_and_before_they_are_fetched(fresh):
    begun = fresh().start()
    assert begun.stop() == 0
    folder = begun.data_dir
    price = ("--input", "1", "--output", "1", "--currency", "USD")
    done = volery("prices", "set", "--model", "default", *price, data_dir=folder)
    assert done.code == 0 and "`default` is another name of `smollm2`" in done.err, done.err
    book = volery("prices", "show", "--json", data_dir=folder).json()
    assert {row["model"] for row in book["prices"]} == {"smollm2"}


@pytest.mark.parametrize("cap", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("value", [-3, 0])
def test_a_cap_below_one_is_refused(shop, spender, cap, value):
    body = {"model": "demo-echo", "messages": [{"role": "user", "content": "Hi"}], cap: value}
    answer = shop.post("/v1/chat/completions", body, key=spender.token)
    refused(answer, 400, "VALIDATION_ERROR")
    assert answer.json()["error"]["param"] == cap
