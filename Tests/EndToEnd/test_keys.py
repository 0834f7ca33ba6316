"""Keys: made, listed, revoked, and nowhere to be read afterwards."""

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from harness import processes
from harness.searching import contents
from harness.tenancy import wrong


def secret_of(token: str) -> str:
    return token.rsplit("_", 1)[1]


def make(platform, name: str | None = None) -> dict:
    result = platform.volery("keys", "create", "--name", name or f"test-{uuid.uuid4().hex[:8]}", "--json")
    assert result.code == 0, result.err
    return result.json()


def test_a_key_works_from_its_first_moment(echo):
    made = make(echo, "first moment")
    assert re.fullmatch(r"vk_[0-9a-z]{10}_[0-9a-z]{40}", made["key"])
    assert made["key"].startswith(f"vk_{made['prefix']}_")
    assert made["id"].startswith("key_")
    assert echo.get("/v1/models", key=made["key"]).status_code == 200


def test_the_listing_shows_everything_but_the_secret(echo):
    made = make(echo)
    result = echo.volery("keys", "list", "--json")
    assert result.code == 0, result.err
    row = next(row for row in result.json() if row["id"] == made["id"])
    assert row["prefix"] == made["prefix"] and row["revoked"] is None
    assert secret_of(made["key"]) not in result.out


def test_a_revoked_key_is_refused_at_once(echo):
    made = make(echo)
    assert echo.get("/v1/models", key=made["key"]).status_code == 200, "it is in the cache now"
    assert echo.volery("keys", "revoke", made["id"]).code == 0
    answer = echo.get("/v1/models", key=made["key"])
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "INVALID_API_KEY"
    assert echo.volery("keys", "revoke", made["id"]).code == 0, "a second time changes nothing"


def test_an_api_key_opens_no_operators_door(echo):
    answer = echo.get("/v1/admin/keys")
    assert answer.status_code == 403
    assert answer.json()["code"] == "POLICY_DENIED"
    assert echo.get("/v1/admin/keys", key=echo.operator_token).status_code == 200
    assert echo.get("/v1/models", key=echo.operator_token).status_code == 401


def test_pages_follow_each_other(echo):
    made = {make(echo)["id"] for _ in range(5)}
    seen, after = [], None
    while True:
        more = {"after": after} if after else {}
        page = echo.get("/v1/admin/keys", key=echo.operator_token, params={"limit": 2, **more}).json()
        seen += [row["id"] for row in page["data"]]
        assert page["object"] == "list" and page["last_id"] == page["data"][-1]["id"]
        if not page["has_more"]:
            break
        after = page["last_id"]
    assert made <= set(seen) and len(seen) == len(set(seen))


@pytest.mark.parametrize("stopped", [False, True])
def test_the_secret_is_in_no_file_log_or_process_list(fresh, stopped):
    platform = fresh().start()
    made = make(platform)
    client = platform.client(made["key"])
    client.chat.completions.create(model="demo-echo", messages=[{"role": "user", "content": "Hi"}])
    assert platform.get("/v1/models", key=wrong(made["key"])).status_code == 401
    secret = secret_of(made["key"]).encode()
    for pid in processes.everyone():
        assert secret.decode() not in processes.command_line(pid)
    if stopped:
        platform.stop()
    for name, data in contents(platform.data_dir):
        assert secret not in data, name
    assert secret.decode() not in platform.output


def test_keys_can_be_made_while_the_platform_is_stopped(fresh):
    platform = fresh().start()
    platform.stop()
    made = make(platform)
    platform.start()
    assert platform.get("/v1/models", key=made["key"]).status_code == 200


def test_an_expired_key_is_refused(echo):
    # Long enough to be made and used before, and a whole second.
    end = datetime.now(UTC) + timedelta(seconds=10)
    result = echo.volery("keys", "create", "--name", "short", "--expires", f"{end:%Y-%m-%dT%H:%M:%SZ}", "--json")
    assert result.code == 0, result.err
    key = result.json()["key"]
    assert echo.get("/v1/models", key=key).status_code == 200
    processes.wait_until(
        lambda: echo.get("/v1/models", key=key).status_code == 401, 60, "the key expires", interval=0.2
    )
