"""Tenant B asks for everything that is tenant A's, at every path that names something, and gets 404 for all of it.

The paths come from openapi/volery.yaml: one without a case below fails."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from harness import processes
from harness.tenancy import Admin, Organization, chat, organization, refused, settings_of, unique
from harness.volery import Platform

DESCRIPTION = yaml.safe_load((Path(__file__).parents[2] / "openapi/volery.yaml").read_text())
METHODS = ("get", "put", "post", "patch", "delete")

#: What a path's identifier is of tenant A's, and a body that would do harm if it were let in.
OWNED: dict[str, Callable[[Organization], str]] = {
    "/v1/admin/tenants/{id}": lambda a: a.tenant["id"],
    "/v1/admin/workspaces/{id}": lambda a: a.workspace["id"],
    "/v1/admin/service-accounts/{id}": lambda a: a.robot["id"],
    "/v1/admin/members/{id}": lambda a: a.member["id"],
    "/v1/admin/keys/{id}": lambda a: a.key["id"],
    "/v1/admin/keys/{id}/rotate": lambda a: a.key["id"],
    "/v1/admin/rules/{id}": lambda a: a.rule["id"],
    "/v1/admin/budgets/{id}": lambda a: a.more["budget"],
    "/v1/admin/budgets/{id}/events": lambda a: a.more["budget"],
    "/v1/admin/ledger/accounts/{id}": lambda a: a.more["account"],
    "/v1/admin/ledger/requests/{id}": lambda a: a.more["request"],
    "/v1/admin/workspaces/{id}/routing": lambda a: a.workspace["id"],
    "/v1/requests/{id}/route": lambda a: a.more["request"],
}

#: Things of the platform's. A tenant's credential is refused by role, whether they exist or not.
OF_PLATFORM: dict[str, Callable[[Organization], str]] = {
    "/v1/admin/users/{id}": lambda a: a.member["user_id"],
    "/v1/admin/users/{id}/one-time-codes": lambda a: a.member["user_id"],
    "/v1/admin/providers/{id}": lambda a: a.more["provider"],
    "/v1/admin/providers/{id}/key": lambda a: a.more["provider"],
    "/v1/admin/registry/{id}": lambda a: a.more["deployment"],
    "/v1/admin/registry/{id}/enable": lambda a: a.more["deployment"],
    "/v1/admin/registry/{id}/disable": lambda a: a.more["deployment"],
    "/v1/admin/registry/{id}/promote": lambda a: a.more["deployment"],
    "/v1/admin/credits/{id}": lambda a: a.more["credit"],
}

#: Nobody's: what they name is the same for everybody.
OPEN = {"/v1/models/{model}", "/docs/errors/{code}", "/v1/admin/prices/{version}"}

BODIES = {
    "patch /v1/admin/tenants/{id}": {"state": "suspended"},
    "patch /v1/admin/workspaces/{id}": {"state": "suspended"},
    "patch /v1/admin/users/{id}": {"state": "suspended"},
    "patch /v1/admin/service-accounts/{id}": {"state": "suspended"},
    "patch /v1/admin/members/{id}": {"role": "analyst"},
    "post /v1/admin/keys/{id}/rotate": {"overlap_seconds": 0},
    "put /v1/admin/rules/{id}": {"name": "stolen", "effect": "deny"},
    "put /v1/admin/providers/{id}/key": {"key": "sk-of-an-attacker"},
    "put /v1/admin/users/{id}/one-time-codes": {},
    "patch /v1/admin/registry/{id}": {"weight": 0},
    "post /v1/admin/registry/{id}/enable": {},
    "post /v1/admin/registry/{id}/disable": {},
    "post /v1/admin/registry/{id}/promote": {"to": "production"},
    "put /v1/admin/workspaces/{id}/routing": {"strategy": "cheapest"},
}


def paths_with_identifiers() -> list[tuple[str, str]]:
    return [
        (method, path)
        for path, operations in DESCRIPTION["paths"].items()
        if "{" in path
        for method in operations
        if method in METHODS
    ]


@pytest.fixture(scope="module", params=["sqlite", "15"])
def both(request, tmp_path_factory) -> Iterator[tuple[Organization, Organization]]:
    with settings_of(request.param) as settings:
        platform = Platform(
            tmp_path_factory.mktemp(request.param) / "data",
            ("--no-default-models",),
            {"VOLERY_LOG_LEVEL": "warning"} | settings,
        ).start()
        a, b = organization(platform, unique("a")), organization(platform, unique("b"))
        provider = a.admin.ok(
            "POST", "/v1/admin/providers", {"name": unique("own"), "endpoint": "http://127.0.0.1:9/v1", "key": "sk-x"}
        )
        registered = platform.volery(
            *("registry", "register", "--model", unique("m"), "--endpoint", "http://127.0.0.1:9/v1"),
            *("--protocol", "openai", "--json"),
        )
        a.more = {"provider": provider["id"], "deployment": registered.json()["id"]}
        a.more |= money_of(platform, a)
        assert chat(platform, a.token).status_code == chat(platform, b.token).status_code == 200
        yield a, b
        assert platform.stop() == 0, platform.output[-3000:]


def money_of(platform: Platform, a: Organization) -> dict[str, str]:
    """A price, a budget, credit, and a request that was paid for."""
    scope = ("--tenant", a.tenant["id"], "--workspace", a.workspace["id"])
    amount = ("--amount", "1000", "--currency", "USD")
    platform.volery(
        *("prices", "set", "--model", "demo-echo", "--input", "1", "--output", "1", "--per", "1m"),
        *("--currency", "USD", "--json"),
    )
    budget = platform.volery("budgets", "set", *scope, *amount, "--period", "total", "--hard", "--json").json()["id"]
    credit = platform.volery("credits", "grant", *scope, *amount, "--json").json()["id"]
    request = chat(platform, a.token).headers["x-request-id"]

    def transfers() -> list[dict]:
        answer = a.admin.call("GET", f"/v1/admin/ledger/requests/{request}")
        return answer.json().get("transfers", []) if answer.status_code == 200 else []

    processes.wait_until(transfers, 60, "the request is settled")
    account = next(row for row in transfers() if row["reason"] == "count")["debit_account_id"]
    return {"budget": budget, "credit": credit, "request": request, "account": account}


def credentials(b: Organization) -> dict[str, str]:
    """The strongest that another tenant can have: its owner's session, and a key with every scope."""
    return {"session": b.session, "key": b.token}


def everything_of(a: Organization) -> str:
    """All that the operator sees of the tenant, as text: it must not change."""
    operator, tenant = a.admin, a.tenant["id"]
    seen = {
        "tenant": operator.ok("GET", f"/v1/admin/tenants/{tenant}"),
        "workspaces": operator.pages("/v1/admin/workspaces", tenant=tenant),
        "members": operator.pages("/v1/admin/members", tenant=tenant),
        "robots": operator.pages("/v1/admin/service-accounts", tenant=tenant),
        "rules": operator.all("/v1/admin/rules", tenant=tenant),
        "keys": operator.pages("/v1/admin/keys", workspace=a.workspace["id"]),
        "providers": operator.all("/v1/admin/providers"),
    }
    for key in seen["keys"]:
        # Batched, and no act of anybody's.
        key.pop("last_used")
    return json.dumps(seen, sort_keys=True)


def test_every_path_that_names_something_has_a_case():
    paths = {path for _, path in paths_with_identifiers()}
    missing = paths - OWNED.keys() - OF_PLATFORM.keys() - OPEN
    assert not missing, f"say in this file whose thing it is: {sorted(missing)}"
    for kind in ("tenants", "workspaces", "members", "keys", "rules"):
        assert f"/v1/admin/{kind}/{{id}}" in paths, "the walk would prove nothing without it"


def body_of(method: str, path: str):
    if method in ("get", "delete"):
        return None
    body = BODIES.get(f"{method} {path}")
    assert body is not None, f"say in BODIES what {method} {path} is sent"
    return body


@pytest.mark.parametrize("method, path", paths_with_identifiers(), ids=lambda value: value)
def test_what_is_somebody_elses_is_not_there(both, method, path):
    if path in OPEN:
        return
    a, b = both
    before = everything_of(a)
    for name, token in credentials(b).items():
        mine = Admin(b.admin.platform, token)
        place = (OWNED | OF_PLATFORM)[path](a)
        answer = mine.call(method.upper(), re.sub(r"\{\w+\}", place, path), body_of(method, path))
        if path in OWNED:
            refused(answer, 404, "NOT_FOUND")
        else:
            assert answer.status_code in (403, 404), f"{name}: {answer.status_code} {answer.text}"
        for word in (a.tenant["name"], a.workspace["name"], a.person, a.key["prefix"]):
            assert word not in answer.text, f"{name}: the refusal tells {word}"
    assert everything_of(a) == before, "something of A's was changed"


@pytest.mark.parametrize("method, path", [pair for pair in paths_with_identifiers() if pair[1] in OWNED], ids=str)
def test_what_is_foreign_and_what_never_was_are_answered_alike(both, method, path):
    a, b = both
    foreign = OWNED[path](a)
    unknown = foreign[: -8] + "ZZZZZZZZ"
    said = []
    for identifier in (foreign, unknown):
        answer = b.owner.call(method.upper(), re.sub(r"\{\w+\}", identifier, path), body_of(method, path))
        body = {k: v for k, v in answer.json().items() if k not in ("request_id", "instance")}
        said.append((answer.status_code, json.dumps(body, sort_keys=True).replace(identifier, "ID")))
    assert said[0] == said[1]


# MARK: Identifiers in queries and bodies

QUERIES = [
    ("/v1/admin/workspaces", lambda a: {"tenant": a.tenant["id"]}),
    ("/v1/admin/service-accounts", lambda a: {"tenant": a.tenant["id"]}),
    ("/v1/admin/members", lambda a: {"tenant": a.tenant["id"]}),
    ("/v1/admin/members", lambda a: {"workspace": a.workspace["id"]}),
    ("/v1/admin/keys", lambda a: {"workspace": a.workspace["id"]}),
    ("/v1/admin/rules", lambda a: {"tenant": a.tenant["id"]}),
    ("/v1/admin/audit", lambda a: {"tenant": a.tenant["id"]}),
    ("/v1/admin/audit/export", lambda a: {"tenant": a.tenant["id"]}),
    ("/v1/admin/audit/verify", lambda a: {"tenant": a.tenant["id"]}),
    ("/v1/admin/usage", lambda a: {"workspace": a.workspace["id"]}),
    ("/v1/admin/usage", lambda a: {"workspace": a.workspace["id"], "each": "true"}),
]


@pytest.mark.parametrize("path, query", QUERIES, ids=lambda value: value if isinstance(value, str) else None)
def test_a_listing_of_somebody_elses_is_not_there(both, path, query):
    a, b = both
    for token in credentials(b).values():
        answer = Admin(b.admin.platform, token).call("GET", path, params=query(a))
        refused(answer, 404, "NOT_FOUND")
        assert a.tenant["name"] not in answer.text


@pytest.mark.parametrize("path", sorted({path for path, _ in QUERIES}))
def test_a_listing_without_a_name_is_of_ones_own(both, path):
    a, b = both
    for name, token in credentials(b).items():
        answer = Admin(b.admin.platform, token).call("GET", path)
        # A key belongs to a workspace: what is of the whole tenant is refused to it, and never widened. A person may
        # have to say which workspace.
        assert answer.status_code in ((200, 400) if name == "session" else (200, 403)), f"{name}: {answer.text}"
        # What B tried on A's things, and was refused, stands in B's own log.
        tried = '"outcome":"denied"'
        text = re.sub(rf"{{[^{{}}]*({{[^{{}}]*}})?[^{{}}]*{tried}[^{{}}]*}}", "", answer.text)
        for word in (a.tenant["id"], a.workspace["id"], a.key["id"], a.member["id"], a.robot["id"], a.rule["id"]):
            assert word not in text, f"{name} sees {word}"


BODIED = [
    ("/v1/admin/workspaces", lambda a: {"name": "x", "tenant": a.tenant["id"]}),
    ("/v1/admin/service-accounts", lambda a: {"name": "x", "tenant": a.tenant["id"]}),
    ("/v1/admin/members", lambda a: {"user": "mallory", "role": "owner", "tenant": a.tenant["id"]}),
    ("/v1/admin/keys", lambda a: {"name": "x", "workspace": a.workspace["id"]}),
    ("/v1/admin/rules", lambda a: {"name": "x", "effect": "deny", "tenant": a.tenant["id"]}),
    ("/v1/admin/rules", lambda a: {"name": "x", "effect": "deny", "workspace": a.workspace["id"]}),
    ("/v1/admin/rules/test", lambda a: {"subject": a.key["id"], "action": "inference:execute"}),
    ("/v1/admin/rules/test", lambda a: {"subject": a.robot["id"], "action": "inference:execute"}),
]


@pytest.mark.parametrize("path, body", BODIED, ids=lambda value: value if isinstance(value, str) else None)
def test_nothing_is_made_for_somebody_else(both, path, body):
    a, b = both
    before = everything_of(a)
    for token in credentials(b).values():
        refused(Admin(b.admin.platform, token).call("POST", path, body(a)), 404, "NOT_FOUND")
    assert everything_of(a) == before


def test_a_key_for_somebody_elses_robot_is_refused(both):
    a, b = both
    body = {"name": "x", "workspace": b.workspace["id"], "user": a.robot["id"]}
    for token in credentials(b).values():
        answer = Admin(b.admin.platform, token).call("POST", "/v1/admin/keys", body)
        assert answer.status_code in (400, 403, 404), answer.text
    body = {"user": a.robot["id"], "role": "analyst", "tenant": b.tenant["id"]}
    answer = b.owner.call("POST", "/v1/admin/members", body)
    assert answer.status_code in (400, 404), "a service account belongs to one tenant"


def test_names_of_other_tenants_cannot_be_tried_out(both):
    a, b = both
    for name in (a.tenant["name"], "no-such-tenant"):
        answer = b.owner.call("POST", "/v1/admin/workspaces", {"name": "x", "tenant": name})
        refused(answer, 404, "NOT_FOUND")


def test_no_cursor_of_somebody_elses_opens_a_page(both):
    a, b = both
    for path, cursor in (
        ("/v1/admin/workspaces", a.workspace["id"]),
        ("/v1/admin/keys", a.key["id"]),
        ("/v1/admin/members", a.member["id"]),
    ):
        answer = b.owner.call("GET", path, params={"after": cursor})
        assert answer.status_code in (200, 400, 404), answer.text
        assert a.tenant["id"] not in answer.text and a.workspace["id"] not in answer.text


def test_usage_of_one_is_never_in_the_sums_of_the_other(both):
    a, b = both
    platform = a.admin.platform
    request = chat(platform, a.token).headers["x-request-id"]
    own = chat(platform, b.token).headers["x-request-id"]

    def rows(org: Organization) -> set[str]:
        listed = org.owner.pages("/v1/admin/usage", 1000, each="true", workspace=org.workspace["id"])
        return {row["request_id"] for row in listed}

    processes.wait_until(lambda: own in rows(b) and request in rows(a), 60, "the rows are there", 0.1)
    assert request not in rows(b) and own not in rows(a)
