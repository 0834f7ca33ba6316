"""TLS at the port: 1.3 alone, for every client there is, and another certificate without a failed request."""

import hashlib
import http.client
import json
import re
import signal
import socket
import ssl
import threading

import httpx2 as httpx
import pytest
from harness import certificates, processes, raw
from harness.tenancy import MESSAGES
from harness.volery import Platform


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    return {name: certificates.make(folder, name) for name in ("first", "second")}


@pytest.fixture
def secure(fresh, papers, tmp_path):
    """The platform with TLS, and the files that it reads."""
    certificate, key = tmp_path / "live.pem", tmp_path / "live.key"
    certificates.replace(papers["first"][0], certificate)
    certificates.replace(papers["first"][1], key)
    settings = {"VOLERY_TLS_CERTIFICATE_FILE": str(certificate), "VOLERY_TLS_KEY_FILE": str(key)}
    platform = fresh(environment=settings)
    platform.start(wait="")
    processes.wait_until(lambda: handshake(platform.port, papers), 60, f"TLS answers:\n{platform.output[-2000:]}")
    return platform, certificate, key


def connect(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname="localhost")


def handshake(port: int, papers) -> str | None:
    """The fingerprint of the certificate that is served now."""
    try:
        with connect(port, certificates.trusting(*(paper[0] for paper in papers.values()))) as sock:
            return hashlib.sha256(sock.getpeercert(binary_form=True)).hexdigest()
    except OSError:
        return None


def test_tls_1_3_and_nothing_older(secure, papers):
    platform, certificate, _ = secure
    context = certificates.trusting(certificate)
    context.set_alpn_protocols(["http/1.1"])
    with connect(platform.port, context) as sock:
        assert sock.version() == "TLSv1.3" and sock.selected_alpn_protocol() in ("http/1.1", None)
        sock.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        answer = raw.read_answer(sock)
    assert answer.status == 200 and "max-age" in answer.headers["strict-transport-security"]
    old = certificates.trusting(certificate)
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(platform.port, old)
    with pytest.raises((ConnectionError, AssertionError, ValueError, IndexError)):
        plain = raw.send(platform.port, raw.request_bytes("GET", "/livez", platform.key))
        assert plain.status != 200
        raise AssertionError("refused in plain words")


def test_everything_works_over_tls_and_so_does_the_command_line(secure):
    platform, certificate, _ = secure
    place = f"https://localhost:{platform.port}"
    with httpx.Client(verify=certificates.trusting(certificate), base_url=place) as client:
        headers = {"authorization": f"Bearer {platform.key}"}
        for stream in (False, True):
            body = {"model": "demo-echo", "messages": MESSAGES, "stream": stream}
            answer = client.post("/v1/chat/completions", json=body, headers=headers)
            assert answer.status_code == 200, answer.text
        admin = {"authorization": f"Bearer {platform.operator_token}"}
        assert client.get("/v1/admin/keys", headers=admin).status_code == 200
    made = platform.volery("keys", "create", "--name", "over-tls", "--json", **platform.environment)
    assert made.code == 0, made.err
    spoken = platform.volery("chat", "--model", "demo-echo", "Hi", **platform.environment)
    assert spoken.code == 0 and "demo-echo" in spoken.out, spoken.err


class Askers:
    """Clients over TLS that ask without an end, on connections that stay and on new ones, and count failures."""

    def __init__(self, platform: Platform, papers):
        self.platform, self.context = platform, certificates.trusting(*(paper[0] for paper in papers.values()))
        self.asked, self.failures, self.is_over = 0, [], False
        self.threads = [threading.Thread(target=self.ask, args=(number % 2 == 0,)) for number in range(6)]

    def ask(self, keeps: bool) -> None:
        body = json.dumps({"model": "demo-echo", "messages": MESSAGES}).encode()
        headers = {"authorization": f"Bearer {self.platform.key}", "content-type": "application/json"}
        connection = None
        while not self.is_over:
            try:
                if connection is None or not keeps:
                    connection = http.client.HTTPSConnection(
                        "localhost", self.platform.port, timeout=20, context=self.context
                    )
                connection.request("POST", "/v1/chat/completions", body, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failures.append(answer.status)
                self.asked += 1
                if not keeps:
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection = None

    def __enter__(self) -> "Askers":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.is_over = True
        for thread in self.threads:
            thread.join(30)


@pytest.mark.parametrize("how", ["by itself", "at SIGHUP"])
def test_another_certificate_is_taken_without_a_failed_request(secure, papers, how):
    platform, certificate, key = secure
    with Askers(platform, papers) as clients:
        for name in ("second", "first", "second"):
            certificates.replace(papers[name][1], key)
            certificates.replace(papers[name][0], certificate)
            if how == "at SIGHUP":
                platform.process.send_signal(signal.SIGHUP)
            wanted = certificates.fingerprint(papers[name][0])
            processes.wait_until(lambda: handshake(platform.port, papers) == wanted, 60, f"{name} is served")
            before = clients.asked
            processes.wait_until(lambda: clients.asked >= before + 50, 60, "requests go on")
    assert clients.failures == [] and clients.asked > 150
    assert platform.process.poll() is None


@pytest.mark.parametrize("content", ["", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"])
def test_a_broken_certificate_is_refused_and_the_old_one_stays(secure, papers, content):
    platform, certificate, _ = secure
    wanted = certificates.fingerprint(papers["first"][0])
    certificate.write_text(content)
    platform.process.send_signal(signal.SIGHUP)
    processes.wait_until(
        lambda: re.search(r'"level":"(error|warning)".*(certificate|tls)', platform.output, re.IGNORECASE),
        60,
        f"the log says so: {platform.output[-2000:]}",
    )
    assert handshake(platform.port, papers) == wanted


def test_a_certificate_that_does_not_fit_its_key_stops_the_start(fresh, papers):
    settings = {
        "VOLERY_TLS_CERTIFICATE_FILE": str(papers["first"][0]),
        "VOLERY_TLS_KEY_FILE": str(papers["second"][1]),
    }
    platform = fresh(environment=settings)
    platform.start(wait="")
    assert platform.process.wait(60) == 1
    assert "CONFIGURATION_INVALID" in platform.output and "key" in platform.output
