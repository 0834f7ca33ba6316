"""Tenants, workspaces, members and keys by the command line, as scripts use it: with and without a platform."""

import re

import pytest
from harness.tenancy import unique
from harness.volery import Platform, done


@pytest.fixture(scope="module", params=["running", "stopped"])
def either(request, tmp_path_factory) -> Platform:
    """A data folder with a platform on it, and one without: the command line must not tell the difference."""
    platform = Platform(tmp_path_factory.mktemp(request.param) / "data", ("--no-default-models",)).start()
    if request.param == "stopped":
        assert platform.stop() == 0
    yield platform
    assert platform.stop() == 0


def test_a_script_makes_a_tenant_a_workspace_a_member_and_a_key_and_ends_the_key(either):
    run = either.volery
    tenant = done(run("tenants", "create", "--name", unique("acme"), "--json"))
    assert re.fullmatch(r"ten_[0-9A-HJKMNP-TV-Z]{26}", tenant["id"])
    workspace = done(run("workspaces", "create", "--tenant", tenant["id"], "--name", "research", "--json"))
    assert re.fullmatch(r"ws_[0-9A-HJKMNP-TV-Z]{26}", workspace["id"])
    assert workspace["tenant_id"] == tenant["id"]
    member = done(
        run("members", "add", "--tenant", tenant["id"], "--user", "ada@example.com", "--role", "admin", "--json")
    )
    assert member["id"].startswith("mem_") and member["role"] == "admin" and member["name"] == "ada@example.com"
    key = done(
        run(
            "keys",
            "create",
            "--workspace",
            workspace["id"],
            "--name",
            "ci",
            "--scope",
            "inference:execute",
            "--scope",
            "endpoint=chat",
            "--expires-in",
            "90d",
            "--json",
        )
    )
    assert re.fullmatch(r"vk_[0-9a-z]{10}_[0-9a-z]{40}", key["key"])
    assert key["workspace_id"] == workspace["id"] and key["tenant_id"] == tenant["id"]
    assert set(key["scopes"]) == {"inference:execute", "endpoint=chat"} and key["expires"]
    assert run("keys", "revoke", key["id"]).code == 0
    assert run("keys", "revoke", key["id"]).code == 0, "a second time changes nothing"
    verdict = run("audit", "verify", "--json")
    assert verdict.code == 0, verdict.out + verdict.err
    assert verdict.json()["ok"] is True


def test_names_do_where_identifiers_do(either):
    name = unique("byname")
    done(either.volery("tenants", "create", "--name", name, "--json"))
    made = done(either.volery("workspaces", "create", "--tenant", name, "--name", "research", "--json"))
    key = either.volery("keys", "create", "--workspace", made["id"], "--name", "x", "--json")
    assert key.code == 0, key.err
    assert made["id"] in [row["id"] for row in done(either.volery("workspaces", "list", "--tenant", name, "--json"))]
    assert name in [row["name"] for row in done(either.volery("tenants", "list", "--json"))]


def test_without_json_the_key_alone_is_on_stdout(either):
    result = either.volery("keys", "create", "--name", unique("plain"))
    assert result.code == 0, result.err
    assert re.fullmatch(r"vk_[0-9a-z]{10}_[0-9a-z]{40}\n", result.out)


@pytest.mark.parametrize(
    "arguments, code",
    [
        (("tenants", "show", "ten_01JZ0000000000000000000000"), 3),
        (("workspaces", "create", "--tenant", "ten_01JZ0000000000000000000000", "--name", "x"), 3),
        (("keys", "create", "--workspace", "ws_01JZ0000000000000000000000", "--name", "x"), 3),
        (("keys", "create", "--name", "x", "--scope", "inference:fly"), 5),
        (("members", "add", "--tenant", "default", "--user", "eve", "--role", "emperor"), (5, 64)),
        (("tenants", "create"), 64),
        (("keys", "create", "--name", "x", "--expires-in", "soon"), (5, 64)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) and isinstance(value[0], str) else None,
)
def test_what_is_wrong_has_its_exit_code_and_says_nothing_on_stdout(either, arguments, code):
    result = either.volery(*arguments)
    assert result.code in (code if isinstance(code, tuple) else (code,)), result.out + result.err
    assert result.out == "" and result.err


def test_a_name_that_is_taken_is_refused(either):
    name = unique("twice")
    assert either.volery("tenants", "create", "--name", name).code == 0
    again = either.volery("tenants", "create", "--name", name)
    assert again.code == 5 and "ALREADY_EXISTS" in again.err, again.err


def test_state_changes_work_on_the_command_line(either):
    tenant = done(either.volery("tenants", "create", "--name", unique("life"), "--json"))["id"]
    workspace = done(either.volery("workspaces", "create", "--tenant", tenant, "--name", "w", "--json"))["id"]
    for command, identifier in (("tenants", tenant), ("workspaces", workspace)):
        verbs = (("suspend", "suspended"), ("resume", "active"), ("delete", "deleted"), ("restore", "active"))
        for verb, state in verbs:
            result = either.volery(command, verb, identifier)
            assert result.code == 0, f"{command} {verb}: {result.err}"
            shown = done(either.volery(command, "show", identifier, "--json"))
            assert shown["state"] == state, (command, verb, shown)
        renamed = unique("renamed")
        result = either.volery(command, "rename", identifier, renamed)
        if result.code == 64:
            result = either.volery(command, "rename", identifier, "--name", renamed)
        assert result.code == 0, result.err
        assert done(either.volery(command, "show", identifier, "--json"))["name"] == renamed
