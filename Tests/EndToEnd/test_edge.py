"""The port itself: guessing is slow, browsers are kept apart, proxies are believed only when trusted."""

import re
import signal
import time

import httpx2 as httpx
import pytest
from harness import accounts, processes, raw
from harness.streams import OpenStream, endless
from harness.tenancy import Admin, chat, refused, signing_in, unique
from harness.volery import Platform

WRONG = "vk_0000000000_" + "0" * 40
ORIGIN = "https://app.example.com"


def guess(number: int) -> str:
    """Another key each time, so that none is remembered."""
    return f"vk_{number:010}_" + "0" * 40


# MARK: Guessing


@pytest.fixture
def strict(fresh) -> Platform:
    return fresh(environment={"VOLERY_FAILED_CREDENTIAL_LIMIT": "10"}).start()


def guess_until_throttled(platform: Platform, most: int = 40) -> httpx.Response:
    for number in range(most):
        answer = chat(platform, guess(number))
        if answer.status_code == 429:
            return answer
        refused(answer, 401, "INVALID_API_KEY")
    raise AssertionError(f"{most} guesses, and none was throttled")


def test_guesses_are_throttled_and_a_good_key_is_not(strict):
    assert chat(strict, strict.key).status_code == 200
    answer = guess_until_throttled(strict)
    refused(answer, 429, "RATE_LIMITED")
    assert int(answer.headers["retry-after"]) >= 1
    assert chat(strict, strict.key).status_code == 200, "who is known goes on"


@pytest.mark.parametrize(
    "path, token",
    [
        ("/v1/admin/keys", "vo_" + "0" * 40),
        ("/v1/admin/keys", WRONG),
        ("/v1/admin/keys", "vs_" + "0" * 40),
        ("/v1/models", WRONG),
        ("/v1/models", "anything"),
    ],
    ids=["operator token", "key at admin", "session", "key", "nonsense"],
)
def test_every_kind_of_credential_is_throttled_on_both_planes(strict, path, token):
    good = strict.operator_token if "admin" in path else strict.key
    # Only a key that is known goes on: a new one could be a guess.
    assert strict.get(path, key=good).status_code == 200
    seen = {strict.get(path, key=token[:-2] + f"{number:02}").status_code for number in range(40)}
    assert seen == {401, 429}
    assert strict.get(path, key=good).status_code == 200


def test_passwords_are_throttled(strict):
    admin, person = Admin(strict), unique("person")
    admin.member(person, "analyst", admin.tenant()["id"])
    admin.password(person)
    statuses = [signing_in(strict, person, f"wrong password {number}").status_code for number in range(40)]
    assert set(statuses) == {401, 429}, statuses
    assert statuses.count(401) <= 25


def test_a_missing_credential_is_no_guess(strict):
    for _ in range(40):
        assert httpx.get(strict.url + "/v1/models", timeout=30).status_code == 401


def test_throttling_is_counted(strict):
    guess_until_throttled(strict)
    assert accounts.metric(strict, "volery_throttled_credentials_total") >= 1


def test_a_throttled_guess_costs_no_hashing(fresh):
    """A guess with a real prefix costs argon2. What is throttled must not."""
    platform = fresh(environment={"VOLERY_FAILED_CREDENTIAL_LIMIT": "5"}).start()
    prefix = platform.key.rsplit("_", 1)[0]
    ticks = 0.0
    statuses = []
    for number in range(60):
        if number == 20:
            ticks = cpu_seconds(platform)
        statuses.append(chat(platform, f"{prefix}_{number:040}").status_code)
    assert statuses[20:].count(429) >= 35, statuses
    one = hashing_seconds(fresh)
    assert cpu_seconds(platform) - ticks < 20 * one, "40 throttled guesses cost less than 20 hashes"


def hashing_seconds(fresh) -> float:
    """What one guess at a real prefix costs where nothing is throttled."""
    platform = fresh(environment={"VOLERY_FAILED_CREDENTIAL_LIMIT": "0"}).start()
    prefix = platform.key.rsplit("_", 1)[0]
    before = cpu_seconds(platform)
    for number in range(20):
        assert chat(platform, f"{prefix}_{number:040}").status_code == 401
    return (cpu_seconds(platform) - before) / 20


def cpu_seconds(platform: Platform) -> float:
    fields = processes._read(platform.process.pid, "stat").rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


# MARK: Proxies


def test_nobody_is_believed_who_is_no_trusted_proxy(fresh):
    platform = fresh(environment={"VOLERY_FAILED_CREDENTIAL_LIMIT": "10"}).start()
    seen = set()
    for number in range(40):
        headers = {"x-forwarded-for": f"198.51.100.{number}", "forwarded": f"for=198.51.100.{number}"}
        seen.add(chat(platform, guess(number), headers=headers).status_code)
    assert 429 in seen, "another address in a header is no other address"


def test_behind_a_trusted_proxy_each_client_has_its_own_account(fresh):
    settings = {"VOLERY_FAILED_CREDENTIAL_LIMIT": "10", "VOLERY_TRUSTED_PROXIES": "127.0.0.0/8"}
    platform = fresh(environment=settings).start()
    headers = {"x-forwarded-for": "198.51.100.7"}
    seen = [chat(platform, guess(number), headers=headers).status_code for number in range(40)]
    assert 429 in seen
    other = chat(platform, guess(99), headers={"x-forwarded-for": "198.51.100.8"})
    refused(other, 401, "INVALID_API_KEY")
    # What the client itself wrote stands left of what the proxy added.
    spoofed = chat(platform, guess(98), headers={"x-forwarded-for": "203.0.113.1, 198.51.100.7"})
    refused(spoofed, 429, "RATE_LIMITED")


def test_a_key_for_an_address_is_held_against_the_client_and_not_the_proxy(fresh):
    platform = fresh(environment={"VOLERY_TRUSTED_PROXIES": "127.0.0.1/32"}).start()
    admin = Admin(platform)
    key = admin.key(admin.workspace(admin.tenant()["id"])["id"], addresses=["198.51.100.0/24"])["key"]
    assert chat(platform, key, headers={"x-forwarded-for": "198.51.100.7"}).status_code == 200
    for header in ("203.0.113.1", "198.51.100.7, 203.0.113.1", "", "nonsense", "127.0.0.1"):
        refused(chat(platform, key, headers={"x-forwarded-for": header}), 403, "POLICY_DENIED")
    tenant = admin.call("POST", "/v1/admin/tenants", {"name": unique("t")}, {"x-forwarded-for": "198.51.100.7"}).json()
    event = admin.ok("GET", "/v1/admin/audit", params={"tenant": tenant["id"]})["data"][0]
    assert event["address"] == "198.51.100.7"


# MARK: Browsers


@pytest.fixture(scope="module")
def browsed(tmp_path_factory) -> Platform:
    platform = Platform(
        tmp_path_factory.mktemp("cors") / "data", ("--no-default-models",), {"VOLERY_CORS_ORIGINS": ORIGIN}
    ).start()
    yield platform
    assert platform.stop() == 0


def preflight(platform: Platform, path: str, origin: str) -> httpx.Response:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, idempotency-key",
    }
    return httpx.options(platform.url + path, headers=headers, timeout=30)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/admin/keys"])
def test_a_listed_origin_may_ask_and_another_may_not(browsed, path):
    answer = preflight(browsed, path, ORIGIN)
    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", "idempotency-key"))
    assert "POST" in answer.headers["access-control-allow-methods"]
    for stranger in ("https://evil.example.com", "null", ORIGIN + ".evil.com", ORIGIN[:-1], ORIGIN + ":8443"):
        answer = preflight(browsed, path, stranger)
        assert "access-control-allow-origin" not in answer.headers, stranger


@pytest.mark.parametrize("stream", [False, True])
def test_answers_streams_and_errors_carry_the_permission(browsed, stream):
    for model, status in (("demo-echo", 200), ("no-such-model", 404)):
        answer = chat(browsed, browsed.key, model, headers={"origin": ORIGIN}, stream=stream)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "origin" in answer.headers["vary"].lower()
        stranger = chat(browsed, browsed.key, model, headers={"origin": "https://evil.example.com"}, stream=stream)
        assert "access-control-allow-origin" not in stranger.headers
    exposed = chat(browsed, browsed.key, headers={"origin": ORIGIN}).headers.get("access-control-expose-headers", "")
    assert "x-request-id" in exposed.lower()


def test_without_a_list_nobody_is_allowed(echo):
    assert "access-control-allow-origin" not in preflight(echo, "/v1/chat/completions", ORIGIN).headers
    assert "access-control-allow-origin" not in chat(echo, echo.key, headers={"origin": ORIGIN}).headers


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/v1/models", "/v1/admin/keys", "/openapi.yaml", "/docs/errors/NOT_FOUND", "/nothing"]
)
def test_every_answer_has_the_security_headers_and_says_nothing_about_the_server(echo, path):
    version = echo.volery("--version").out.split()[-1]
    for key in (None, echo.operator_token if "admin" in path else echo.key):
        headers = {"authorization": f"Bearer {key}"} if key else {}
        answer = httpx.get(echo.url + path, headers=headers, timeout=30)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers and "x-powered-by" not in answer.headers
        if "admin" in path:
            assert "no-store" in answer.headers["cache-control"]
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["referrer-policy"] == "no-referrer"
        if key is None and path != "/openapi.yaml":
            assert version not in answer.text + str(answer.headers), "no version without a credential"
        assert not re.search(r"swift|nio|hummingbird", answer.text + str(answer.headers), re.IGNORECASE)


# MARK: What a slow or rude client costs others


def test_who_opens_connections_and_says_nothing_shuts_nobody_out(fresh):
    platform = fresh(environment={"VOLERY_HEADER_TIMEOUT": "2s"}).start()
    idle = [raw.connect(platform.port) for _ in range(200)]
    try:
        assert chat(platform, platform.key).status_code == 200
        began = time.monotonic()
        for sock in idle:
            sock.settimeout(20)
            while sock.recv(4096):
                pass
        assert time.monotonic() - began < 20, "they are closed"
    finally:
        for sock in idle:
            sock.close()


def test_sighup_ends_nothing(fresh, upstream):
    upstream.script = endless
    platform = fresh().start()
    platform.register(upstream.url)
    stream = OpenStream(platform.port, platform.key, "scripted").wait_for_words()
    for _ in range(3):
        platform.process.send_signal(signal.SIGHUP)
        words = stream.words
        stream.wait_for_words(words + 10)
    assert stream.ended is None and platform.process.poll() is None
    stream.close()
    assert platform.stop() == 0
