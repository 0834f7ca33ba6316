"""Every mistake of a caller: a 4xx with code, parameter and hint, in the shape that OpenAI's clients read."""

import json
from contextlib import suppress

import pytest
from harness import raw

CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Hi"}]


def check_error(answer, status: int, code: str, param: str | None = None) -> dict:
    assert answer.status == status, answer.body
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["param"] == param
    assert error["message"] and error["hint"] and error["type"]
    assert error["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["content-type"].startswith("application/json")
    return error


def post(echo, body: bytes, path: str = CHAT, headers: list[str] | None = None, key: str | None = None):
    return raw.send(echo.port, raw.request_bytes("POST", path, key or echo.key, body, headers))


@pytest.mark.parametrize("body", [b"hello", b"", b'{"model": "demo-echo", ', b'{"a": 1} x', b"[" * 5000, b"nul"])
def test_a_body_that_is_no_json(echo, body):
    check_error(post(echo, body), 400, "VALIDATION_ERROR")


def test_a_body_that_is_no_object(echo):
    check_error(post(echo, b"[1, 2]"), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "body, param",
    [
        ({"messages": MESSAGES}, "model"),
        ({"model": 7, "messages": MESSAGES}, "model"),
        ({"model": "", "messages": MESSAGES}, "model"),
        ({"model": "demo-echo"}, "messages"),
        ({"model": "demo-echo", "messages": []}, "messages"),
        ({"model": "demo-echo", "messages": "Hi"}, "messages"),
        ({"model": "demo-echo", "messages": ["Hi"]}, "messages[0]"),
        ({"model": "demo-echo", "messages": [{"content": "Hi"}]}, "messages[0].role"),
        ({"model": "demo-echo", "messages": MESSAGES, "stream": "yes"}, "stream"),
        ({"model": "demo-echo", "messages": MESSAGES, "temperature": "hot"}, "temperature"),
        ({"model": "demo-echo", "messages": MESSAGES, "max_tokens": "many"}, "max_tokens"),
        ({"model": "demo-echo", "messages": MESSAGES, "tools": {}}, "tools"),
        ({"model": "demo-echo", "messages": MESSAGES, "stop": 3}, "stop"),
        ({"model": "demo-echo", "messages": MESSAGES, "stream": True, "stream_options": 1}, "stream_options"),
        (
            {"model": "demo-echo", "messages": MESSAGES, "stream": True, "stream_options": {"include_usage": "y"}},
            "stream_options.include_usage",
        ),
    ],
)
def test_a_value_of_the_wrong_type_names_its_place(echo, body, param):
    check_error(post(echo, json.dumps(body).encode()), 400, "VALIDATION_ERROR", param)


@pytest.mark.parametrize(
    "body, param",
    [
        ({"model": "embed"}, "input"),
        ({"model": "embed", "input": []}, "input"),
        ({"model": "embed", "input": 3}, "input"),
    ],
)
def test_embeddings_name_the_place_too(echo, body, param):
    answer = post(echo, json.dumps(body).encode(), "/v1/embeddings")
    check_error(answer, 400, "VALIDATION_ERROR", param)


def test_a_member_that_stands_twice(echo):
    body = b'{"model": "demo-echo", "model": "other", "messages": [{"role": "user", "content": "Hi"}]}'
    check_error(post(echo, body), 400, "VALIDATION_ERROR", "model")


def test_an_unknown_model_lists_those_that_the_key_may_see(echo):
    answer = post(echo, json.dumps({"model": "gpt-9", "messages": MESSAGES}).encode())
    error = check_error(answer, 404, "MODEL_NOT_FOUND", "model")
    assert "gpt-9" in error["message"] and "demo-echo" in error["hint"]


@pytest.mark.parametrize("text", [b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
def test_bad_utf8(echo, text):
    body = b'{"model": "demo-echo", "messages": [{"role": "user", "content": "' + text + b'"}]}'
    check_error(post(echo, body), 400, "VALIDATION_ERROR")


def test_a_body_of_50_mb(echo):
    check_error(post(echo, b'{"model": "' + b"a" * (50 << 20)), 413, "PAYLOAD_TOO_LARGE")


def test_a_body_of_50_mb_in_chunks_without_a_length(echo):
    head = raw.request_bytes("GET", CHAT, echo.key, headers=["transfer-encoding: chunked"]).replace(b"GET", b"POST", 1)
    chunk = b"100000\r\n" + b"a" * (1 << 20) + b"\r\n"
    with raw.connect(echo.port) as sock:
        sock.sendall(head)
        # Refused while it was still being sent; the answer is waiting.
        with suppress(ConnectionError):
            for _ in range(50):
                sock.sendall(chunk)
        check_error(raw.read_answer(sock), 413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    "headers",
    [
        ["content-type: application/json", "content-length: 5"],
        ["content-type: application/json", "transfer-encoding: chunked"],
    ],
)
def test_headers_that_contradict_each_other_never_reach_a_model(echo, headers):
    body = json.dumps({"model": "demo-echo", "messages": MESSAGES}).encode()
    with raw.connect(echo.port) as sock:
        sock.sendall(raw.request_bytes("POST", CHAT, echo.key, body, headers))
        answer = raw.read_answer(sock)
    assert 400 <= answer.status < 500, answer.body


def test_two_keys_in_one_request(echo):
    body = json.dumps({"model": "demo-echo", "messages": MESSAGES}).encode()
    headers = ["content-type: application/json", "authorization: Bearer vk_other"]
    answer = post(echo, body, headers=headers)
    check_error(answer, 400, "VALIDATION_ERROR", "authorization")


def test_headers_that_are_too_large(echo):
    answer = post(echo, b"{}", headers=["x-large: " + "a" * (200 << 10)])
    assert answer.status == 431, answer.body


def test_an_unknown_path(echo):
    answer = raw.send(echo.port, raw.request_bytes("GET", "/v1/nothing/here", echo.key))
    check_error(answer, 404, "NOT_FOUND")


def test_an_unknown_path_outside_the_inference_api_is_a_problem_document(echo):
    answer = raw.send(echo.port, raw.request_bytes("GET", "/nothing/here", echo.key))
    assert answer.status == 404
    assert answer.headers["content-type"].startswith("application/problem+json")
    body = answer.json()
    assert body["code"] == "NOT_FOUND" and body["status"] == 404 and body["hint"]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert echo.get(body["type"]).status_code == 200, "the type is a page that explains the code"


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("GET", CHAT, "POST"),
        ("PUT", "/v1/embeddings", "POST"),
        ("DELETE", "/v1/models", "GET"),
        ("POST", "/livez", "GET"),
    ],
)
def test_a_wrong_method_says_which_is_right(echo, method, path, allowed):
    answer = raw.send(echo.port, raw.request_bytes(method, path, echo.key))
    assert answer.status == 405, answer.body
    assert allowed in answer.headers["allow"]
    body = answer.json()
    assert body.get("error", body)["code"] == "METHOD_NOT_ALLOWED"


def test_no_key(echo):
    body = json.dumps({"model": "demo-echo", "messages": MESSAGES}).encode()
    request = raw.request_bytes("POST", CHAT, "", body).replace(b"authorization: Bearer \r\n", b"")
    check_error(raw.send(echo.port, request), 401, "AUTHENTICATION_REQUIRED", "Authorization")


@pytest.mark.parametrize("key", ["vk_abc", "sk-1234", "vk_0000000000_" + "0" * 40, "é"])
def test_a_wrong_key(echo, key):
    body = json.dumps({"model": "demo-echo", "messages": MESSAGES}).encode()
    check_error(post(echo, body, key=key), 401, "INVALID_API_KEY", "Authorization")


def test_something_that_is_no_http(echo):
    answer = raw.send(echo.port, b"HELLO volery\r\n\r\n")
    assert answer.status == 400


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/plain"])
def test_json_is_read_under_the_types_that_curl_sends_it_with(echo, kind):
    body = json.dumps({"model": "demo-echo", "messages": MESSAGES}).encode()
    assert post(echo, body, headers=[f"content-type: {kind}"]).status == 200


@pytest.mark.parametrize(
    "header, param",
    [
        ("content-type: multipart/form-data; boundary=x", "Content-Type"),
        ("content-type: application/json\r\ncontent-encoding: gzip", "Content-Encoding"),
    ],
)
def test_a_body_of_another_kind(echo, header, param):
    check_error(post(echo, b"{}", headers=[header]), 415, "UNSUPPORTED_MEDIA_TYPE", param)


def test_a_request_id_of_the_client_is_kept_apart_from_ours(echo):
    body = json.dumps({"model": "demo-echo", "messages": MESSAGES}).encode()
    answer = post(echo, body, headers=["content-type: application/json", "x-request-id: mine-1"])
    own = answer.headers["x-request-id"]
    assert own.startswith("req_")
    row = echo.usage_of(own)
    assert row["client_request_id"] == "mine-1"


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/openapi.yaml", "/docs/errors/NOT_FOUND", "/v1/models", "/nothing"]
)
def test_every_answer_has_a_request_id(echo, path):
    assert echo.get(path).headers["x-request-id"].startswith("req_")


def test_every_error_code_has_its_page(echo):
    page = echo.get("/docs/errors/CONTEXT_LENGTH_EXCEEDED")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/markdown")
    assert page.text.startswith("# CONTEXT_LENGTH_EXCEEDED")
    assert echo.get("/docs/errors/NO_SUCH_CODE").status_code == 404


def test_a_client_that_dawdles_over_its_headers_is_cut_off(fresh):
    platform = fresh(environment={"VOLERY_HEADER_TIMEOUT": "1s"}).start()
    with raw.connect(platform.port) as sock:
        sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n")
        answer = raw.read_answer(sock)
    assert answer.status == 408


def test_a_client_that_dawdles_over_its_body_is_cut_off(fresh):
    platform = fresh(environment={"VOLERY_BODY_TIMEOUT": "1s"}).start()
    with raw.connect(platform.port) as sock:
        request = raw.request_bytes("POST", CHAT, platform.key, b"{" + b" " * 99)
        sock.sendall(request[:-50])
        answer = raw.read_answer(sock)
    check_error(answer, 408, "REQUEST_TIMEOUT")
