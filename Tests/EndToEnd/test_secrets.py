"""Providers' keys go where they must, cannot be read back, and are refused when somebody changed them."""

import json

import httpx2 as httpx
import pytest
from harness import processes
from harness.sealed import OTHER_PROVIDER_KEY, PROVIDER_KEY, add_provider
from harness.searching import forms
from harness.tenancy import Admin, chat, refused, unique, wrong
from harness.upstream import Connection, Request, Upstream, well_behaved
from harness.volery import Platform


# MARK: Where a provider's key goes


def test_a_providers_key_goes_to_its_host_and_the_callers_never_does(echo, upstream):
    admin = Admin(echo)
    provider, model = add_provider(admin, upstream)
    assert provider["has_key"] and provider["host"] == "127.0.0.1" and PROVIDER_KEY not in str(provider)
    assert chat(echo, echo.key, model).status_code == 200
    sent = upstream.requests[-1].headers
    assert sent["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert echo.key not in str(sent)


def test_another_place_gets_no_key(echo, upstream):
    admin = Admin(echo)
    provider, _ = add_provider(admin, upstream)
    with Upstream(well_behaved) as elsewhere:
        plain = unique("plain")
        echo.register(elsewhere.url, plain)
        assert chat(echo, echo.key, plain).status_code == 200
        assert "authorization" not in elsewhere.requests[-1].headers
        body = {"model": unique("stolen"), "provider": provider["name"], "protocol": "openai"}
        answer = admin.call("POST", "/v1/admin/registry", body | {"endpoint": elsewhere.url})
        assert answer.status_code == 400, answer.text
        again = {"name": provider["name"], "endpoint": elsewhere.url}
        refused(admin.call("POST", "/v1/admin/providers", again), 409, "ALREADY_EXISTS")
        assert len(elsewhere.requests) == 1


def test_a_redirect_is_not_followed_with_the_key(echo, upstream):
    _, model = add_provider(Admin(echo), upstream)
    with Upstream(well_behaved) as thief:
        upstream.script = lambda connection, request: connection.answer(
            b"", "307 Temporary Redirect", location=f"{thief.url}/chat/completions"
        )
        assert chat(echo, echo.key, model).status_code >= 400
        assert thief.requests == []


def test_a_key_goes_over_plain_http_only_to_this_machine(echo):
    answer = Admin(echo).call(
        "POST", "/v1/admin/providers", {"name": unique("far"), "endpoint": "http://192.0.2.1/v1", "key": PROVIDER_KEY}
    )
    refused(answer, 400, "VALIDATION_ERROR")
    assert PROVIDER_KEY not in answer.text


def test_an_upstream_that_echoes_its_credential_teaches_the_caller_nothing(echo, upstream):
    _, model = add_provider(Admin(echo), upstream)

    def tell(connection: Connection, request: Request) -> None:
        told = f"Incorrect API key provided: {request.headers['authorization']}"
        connection.answer({"error": {"message": told}}, "401 Unauthorized", www_authenticate="Bearer")

    upstream.script = tell
    answer = chat(echo, echo.key, model)
    assert answer.status_code not in (401, 403), "it is not the caller's credential that is wrong"
    assert PROVIDER_KEY not in answer.text + str(answer.headers)


def test_a_callers_own_authorization_header_does_not_pass(echo, upstream, model_at):
    assert chat(echo, echo.key, model_at(upstream)).status_code == 200
    assert echo.key not in str(upstream.requests[-1].headers), "a runtime never sees a caller's key"


def test_another_key_is_in_force_at_once_and_a_removed_provider_has_none(echo, upstream):
    admin = Admin(echo)
    provider, model = add_provider(admin, upstream)
    admin.ok("PUT", f"/v1/admin/providers/{provider['id']}/key", {"key": OTHER_PROVIDER_KEY})
    assert chat(echo, echo.key, model).status_code == 200
    assert upstream.requests[-1].headers["authorization"] == f"Bearer {OTHER_PROVIDER_KEY}"
    used = admin.call("DELETE", f"/v1/admin/providers/{provider['id']}")
    assert used.status_code in (400, 409), "deployments use it"
    for row in admin.all("/v1/admin/registry"):
        if row["model"] == model:
            admin.ok("DELETE", f"/v1/admin/registry/{row['id']}")
    admin.ok("DELETE", f"/v1/admin/providers/{provider['id']}")
    assert not any(provider["id"] in row["name"] for row in admin.all("/v1/admin/secrets"))


def test_the_command_line_takes_a_key_from_a_file_the_environment_or_stdin_and_never_as_an_argument(echo, tmp_path):
    file = tmp_path / "key"
    file.write_text(PROVIDER_KEY + "\n")
    endpoint = ("--endpoint", "http://127.0.0.1:9/v1")
    for more, environment in (
        (("--key-file", str(file)), {}),
        (("--key-env", "OWN_PROVIDER_KEY"), {"OWN_PROVIDER_KEY": PROVIDER_KEY}),
    ):
        name = unique("cli")
        done = echo.volery("providers", "add", name, *endpoint, *more, "--json", **environment)
        assert done.code == 0, done.err
        assert done.json()["has_key"] and PROVIDER_KEY not in done.out + done.err
        assert echo.volery("providers", "remove", name).code == 0
    refused_argument = echo.volery("providers", "add", unique("cli"), *endpoint, "--key", PROVIDER_KEY)
    assert refused_argument.code == 64


def test_the_keys_of_providers_cannot_be_read_back(echo, upstream):
    admin = Admin(echo)
    provider, _ = add_provider(admin, upstream)
    for path in ("/v1/admin/providers", "/v1/admin/secrets", "/v1/admin/registry", "/v1/admin/audit"):
        assert PROVIDER_KEY not in admin.call("GET", path).text, path
    names = [row["name"] for row in admin.all("/v1/admin/secrets")]
    assert any(provider["id"] in name for name in names), names
    assert all(set(row) <= {"name", "stored"} for row in admin.all("/v1/admin/secrets"))


# MARK: Somebody changes the file


@pytest.mark.parametrize("way", ["flipped", "cut", "of another secret"])
def test_a_sealed_secret_that_was_changed_is_refused_and_named(fresh, upstream, way):
    platform = fresh().start()
    provider, model = add_provider(Admin(platform), upstream)
    assert platform.stop() == 0
    file = platform.data_dir / "secrets.sealed"
    sealed = file.read_text()
    assert not any(form in sealed.encode() for form in forms(PROVIDER_KEY))
    assert file.stat().st_mode & 0o777 == 0o600
    if way == "flipped":
        [entry] = json.loads(sealed)["secrets"].values()
        # A letter in its middle: the last ones of base64 may hold bits that mean nothing.
        value = entry["sealed"]
        middle = len(value) // 2
        other = "A" if value[middle] != "A" else "B"
        file.write_text(sealed.replace(value, value[:middle] + other + value[middle + 1 :]))
    elif way == "cut":
        file.write_text(sealed[: len(sealed) // 2])
    else:
        file.write_text(sealed.replace(provider["id"], wrong(provider["id"])))
    assert file.read_text() != sealed
    platform.start(wait="")
    processes.wait_until(
        lambda: platform.process.poll() is not None or is_live(platform), 60, "it starts, or says why not"
    )
    if platform.process.poll() is None:
        asked = len(upstream.requests)
        answer = chat(platform, platform.key, model)
        sent = [request.headers.get("authorization") for request in upstream.requests[asked:]]
        assert answer.status_code >= 500 or PROVIDER_KEY not in str(sent), "a changed secret is not used"
        assert "secret" in platform.output.lower() or answer.status_code >= 500
        platform.stop()
    else:
        assert "secret" in platform.output.lower() or "sealed" in platform.output.lower()


def is_live(platform: Platform) -> bool:
    try:
        return httpx.get(platform.url + "/readyz", timeout=10).status_code == 200
    except httpx.HTTPError:
        return False
