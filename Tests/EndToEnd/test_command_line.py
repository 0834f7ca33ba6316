"""The command line: data on stdout, talk on stderr, exit codes, with the platform running and with it stopped."""

import json
import os
import re

import pytest
from harness.volery import volery

LISTINGS = [
    ("keys", "list"),
    ("models", "list"),
    ("runtimes", "list"),
    ("registry", "list"),
    ("usage",),
    ("usage", "--each"),
]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A data folder that was served once and is not served now."""
    from harness.volery import Platform

    platform = Platform(tmp_path_factory.mktemp("stopped") / "data", ("--no-default-models",)).start()
    platform.chat("demo-echo")
    assert platform.stop() == 0
    return platform


@pytest.mark.parametrize("listing", LISTINGS, ids=" ".join)
@pytest.mark.parametrize("state", ["running", "stopped"])
def test_every_listing_has_json_that_is_an_array(listing, state, echo, stopped):
    platform = echo if state == "running" else stopped
    result = platform.volery(*listing, "--json")
    assert result.code == 0, result.err
    assert isinstance(result.json(), list)


@pytest.mark.parametrize("listing", LISTINGS, ids=" ".join)
def test_every_listing_is_plain_text_without_color_for_a_person(listing, echo):
    result = echo.volery(*listing)
    assert result.code == 0, result.err
    assert "\x1b" not in result.out + result.err


def test_the_data_folder_may_stand_before_and_after_the_subcommand_and_in_the_environment(echo):
    folder = str(echo.data_dir)
    before = volery("--data-dir", folder, "keys", "list", "--json")
    after = volery("keys", "list", "--json", "--data-dir", folder)
    environment = volery("keys", "list", "--json", VOLERY_DATA_DIR=folder)
    assert before.code == after.code == environment.code == 0, before.err + after.err + environment.err
    assert before.json() == after.json() == environment.json() != []


def test_registering_listing_and_deregistering(echo):
    made = echo.volery(
        "registry",
        "register",
        "--model",
        "far-away",
        "--endpoint",
        "http://127.0.0.1:9/v1",
        "--protocol",
        "openai",
        "--environment",
        "production",
        "--json",
    )
    assert made.code == 0, made.err
    identity = made.json()["id"]
    assert identity.startswith("dep_")
    rows = echo.volery("registry", "list", "--json").json()
    assert any(row["id"] == identity and row["model"] == "far-away" for row in rows)
    again = echo.volery(
        "registry", "register", "--model", "far-away", "--endpoint", "http://127.0.0.1:9/v1", "--protocol", "openai"
    )
    assert again.code == 5, again.err
    assert echo.volery("registry", "deregister", identity).code == 0
    assert echo.get("/v1/models/far-away").status_code == 404


@pytest.mark.parametrize(
    "arguments, code",
    [
        (("--version",), 0),
        (("keys", "revoke", "key_01JZ0000000000000000000000"), 3),
        (("registry", "deregister", "dep_01JZ0000000000000000000000"), 3),
        (("chat", "--model", "no-such-model", "Hi"), 3),
        (("registry", "register", "--model", "x", "--endpoint", "ftp://example.com", "--protocol", "openai"), 5),
        (("keys", "create"), 64),
        (("no-such-command",), 64),
        (("keys", "list", "--no-such-flag"), 64),
        (("keys", "revoke", "not-an-id"), 64),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_exit_codes_are_as_documented(echo, arguments, code):
    result = echo.volery(*arguments)
    assert result.code == code, result.out + result.err
    if code:
        assert result.out == "" and result.err, "an error is talk, not data"


def test_a_platform_that_does_not_know_our_token_is_exit_code_4(fresh):
    platform = fresh().start()
    token = platform.data_dir / "operator-token"
    token.write_text("vo_" + "0" * len(platform.operator_token[3:]) + "\n")
    assert platform.volery("keys", "list").code == 4


def test_a_missing_model_suggests_the_one_that_was_meant(echo):
    result = echo.volery("chat", "--model", "demo-ecko", "Hi")
    assert result.code == 3
    assert "demo-echo" in result.err


def test_version_is_one_line_of_data():
    result = volery("--version")
    assert result.code == 0
    assert re.fullmatch(r"(volery )?\d+\.\d+\.\d+\S*\n", result.out)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_print_a_script(shell):
    result = volery("completions", shell)
    assert result.code == 0, result.err
    assert "volery" in result.out and "registry" in result.out


def test_help_names_every_command():
    result = volery("--help")
    assert result.code == 0
    for command in ("serve", "chat", "keys", "models", "runtimes", "registry", "usage", "doctor"):
        assert re.search(rf"^\s+{command}\b", result.out, re.MULTILINE), command


def test_chat_streams_the_answer_to_stdout_and_nothing_else(echo):
    result = echo.volery("chat", "--model", "demo-echo", "Good morning")
    assert result.code == 0, result.err
    assert result.out.startswith("I am demo-echo") and "Good morning" in result.out
    quiet = echo.volery("chat", "--model", "demo-echo", "--no-stream", "Good morning")
    assert quiet.out == result.out


ASKING = [
    "ledger verify", "ledger balance", "ledger statement", "ledger accounts", "usage", "audit verify", "audit list",
    "budgets list", "prices list", "keys list", "models list", "models remove smollm2",
    "budgets set --amount 5 --currency USD --period day", "limits list",
    "tenants list", "journal verify", "journal inspect", "config apply --dry-run x.yaml",
]  # fmt: skip


@pytest.mark.parametrize("command", ASKING)
def test_a_mistyped_data_folder_is_not_taken_for_a_new_platform(command, tmp_path):
    (tmp_path / "x.yaml").write_text("tenants: [{name: acme}]\n")
    words = command.replace("x.yaml", str(tmp_path / "x.yaml")).split()
    result = volery(*words, data_dir=tmp_path / "nodir")
    assert result.code == 3 and result.out == "", result.out + result.err
    assert f"error: There is no data folder at {tmp_path}/nodir. (NOT_FOUND)" in result.err
    assert "`volery serve` makes one; `--data-dir` names another." in result.err
    assert not (tmp_path / "nodir").exists()
    (tmp_path / "else").mkdir()
    if not command.startswith(("journal", "models remove")):
        other = volery(*words, data_dir=tmp_path / "else")
        assert other.code == 3 and "holds no platform's data" in other.err, other.err
    assert not list((tmp_path / "else").glob("volery.db*"))


def test_what_may_come_before_the_first_start_begins_a_data_folder(tmp_path):
    made = volery("keys", "create", "--name", "x", data_dir=tmp_path / "new")
    assert made.code == 0, made.err
    assert "x" in volery("keys", "list", data_dir=tmp_path / "new").out


def test_a_declaration_begins_a_data_folder(tmp_path):
    (tmp_path / "x.yaml").write_text("tenants: [{name: acme}]\n")
    applied = volery("config", "apply", str(tmp_path / "x.yaml"), data_dir=tmp_path / "new")
    assert applied.code == 0, applied.err
    assert "acme" in volery("tenants", "list", data_dir=tmp_path / "new").out


def test_a_misspelt_command_is_told_with_the_one_that_was_meant(echo):
    for words, told in {
        ("budget", "list"): "error: `volery budget` is no command; did you mean `volery budgets`?",
        ("prices", "frobnicate"): "error: `volery prices frobnicate` is no command.",
        ("--data-dir", "x", "prices", "improt", "f"): "did you mean `volery prices import`?",
    }.items():
        result = volery(*words)
        assert result.code == 64 and result.out == "" and told in result.err, result.err
    assert volery("budgets", "lst", "--help").code in (0, 64)


UNKNOWN_TENANT, UNKNOWN_WORKSPACE = "ten_01JZ0000000000000000000000", "ws_01JZ0000000000000000000000"
BUDGET = ("budgets", "set", "--currency", "USD")


@pytest.mark.parametrize(
    "words, code, told",
    [
        ((*BUDGET, "--amount", "-5"), 5, "VALIDATION_ERROR"),
        (("prices", "set", "--model", "m", "--currency", "USD", "--input", "-0.5"), 5, "VALIDATION_ERROR"),
        (("credits", "grant", "--amount", "-5", "--currency", "USD"), 5, "VALIDATION_ERROR"),
        (("usage", "--limit", "-5"), 64, "--limit must be 1 to 100000"),
        (("budgets", "set", "--amount", "5", "--currency", "GBP"), 5, "`--currency` is `GBP`, which is not known"),
        (("usage", "--by", "day,colour"), 5, "`--by` is `colour`, which is not known"),
        (("prices", "set", "--model", "m", "--currency", "USD", "--input", "1", "--operation", "dance"), 5,
         "`--operation` is `dance`, which is not known"),
        ((*BUDGET, "--amount", "5", "--key", "vk_nosuch"), 3, "`vk_nosuch`"),
        ((*BUDGET, "--amount", "5", "--key", "vk_nosuch"), 3, "`volery keys list --all` shows"),
        ((*BUDGET, "--amount", "5", "--workspace", UNKNOWN_WORKSPACE), 3, "`volery workspaces list"),
        ((*BUDGET, "--amount", "5", "--tenant", UNKNOWN_TENANT), 3, "`volery tenants list` shows"),
        (("keys", "revoke", "key_01JZ0000000000000000000000"), 3, "`volery keys list` shows"),
        (("credits", "grant", "--amount", "5", "--currency", "USD", "--expires", "2020-01-01"), 5,
         "Give a time to come, such as 90d"),
        (("limits", "set", "--workspace", "default", "--model", "nobody", "--rpm", "none"), 0,
         "No limit is in force for this scope."),
        (("prices", "import", "nosuch.yaml"), 3, f"{os.getcwd()}/nosuch.yaml: no such file."),
        (("config", "diff", "nosuch.yaml"), 2, f"{os.getcwd()}/nosuch.yaml: no such file."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_what_cannot_be_done_is_told_with_the_value_the_option_and_a_way_on(echo, words, code, told):
    result = echo.volery(*words)
    assert result.code == code and told in result.err, result.out + result.err


def test_one_of_a_thing_is_not_told_as_several(echo):
    quota = echo.volery(
        "quotas", "set", "--unit", "requests", "--amount", "1", "--workspace", "default", "--model", "nobody", "--hard"
    )
    assert quota.code == 0 and "0 of 1 request spent; 1 request left, then" in quota.err, quota.err
    assert echo.volery("quotas", "remove", quota.out.strip()).code == 0


def test_chat_names_its_own_option_where_a_budget_refuses(fresh):
    platform = fresh().start()
    price = ("prices", "set", "--model", "demo-echo", "--input", "1", "--output", "4", "--per", "1k")
    assert platform.volery(*price, "--currency", "USD").code == 0
    wall = ("budgets", "set", "--workspace", "default", "--amount", "0.2", "--currency", "USD", "--hard")
    assert platform.volery(*wall).code == 0
    refused = platform.volery("chat", "--model", "demo-echo", "Hi")
    assert refused.code == 5 and "QUOTA_EXCEEDED" in refused.err, refused.err
    assert "`--max-tokens`" in refused.err and "`max_tokens`" not in refused.err
    answered = platform.volery("chat", "--model", "demo-echo", "--max-tokens", "10", "Hi")
    assert answered.code == 0, answered.err


def test_chat_without_a_platform_says_how_to_start_one(tmp_path):
    result = volery("chat", "Hi", data_dir=tmp_path / "nothing")
    assert result.code == 1
    assert "volery serve" in result.err


def test_the_doctor_shows_what_it_found_and_expected(echo):
    result = echo.volery("doctor", "--json", timeout=120)
    rows = {row["check"]: row for row in result.json()}
    assert {"disk", "ports", "clock", "models"} <= {name.lower().split()[0] for name in rows}
    for row in rows.values():
        assert row["found"] and row["expected"] and row["status"] in ("ok", "warning", "broken")
        assert row["status"] == "ok" or row["remedy"]
    assert result.code == (1 if any(row["status"] == "broken" for row in rows.values()) else 0)


def test_check_config_shows_the_settings_in_force(tmp_path):
    result = volery("serve", "--check-config", "--data-dir", str(tmp_path), "--port", "9123")
    assert result.code == 0, result.err
    assert "9123" in result.out + result.err


def test_usage_sums_by_day_model_and_key(echo):
    request = echo.chat("demo-echo").headers["x-request-id"]
    echo.usage_of(request)
    rows = json.loads(echo.volery("usage", "--json").out)
    row = next(row for row in rows if row["model"] == "demo-echo")
    assert row["requests"] >= 1 and row["input_tokens"] >= 1 and row["output_tokens"] >= 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", row["day"]) and row["key_id"].startswith("key_")


def test_a_limit_bounds_the_rows(echo):
    for _ in range(3):
        echo.usage_of(echo.chat("demo-echo").headers["x-request-id"])
    assert len(echo.volery("usage", "--each", "--limit", "2", "--json").json()) == 2
