"""The models that callers may name."""

import openai
import pytest


def test_the_client_lists_and_retrieves_them(platform):
    client = platform.client()
    names = [model.id for model in client.models.list()]
    assert "demo-echo" in names and len(names) >= 3
    for name in names:
        assert client.models.retrieve(name).id == name


def test_the_default_models_answer_to_their_alias_and_to_their_own_name(platform):
    client = platform.client()
    for alias in ("default", "embed"):
        model = client.models.retrieve(alias)
        assert model.id != alias
        assert client.models.retrieve(model.id).id == model.id


def test_an_unknown_model_is_a_404_that_lists_what_there_is(platform):
    with pytest.raises(openai.NotFoundError) as caught:
        platform.client().models.retrieve("no-such-model")
    assert caught.value.code == "MODEL_NOT_FOUND"
    assert "demo-echo" in caught.value.body["hint"]


def test_a_name_with_a_slash_is_one_name(echo, upstream, model_at):
    result = echo.volery(
        "registry", "register", "--model", "team/model:7b", "--endpoint", upstream.url, "--protocol", "openai", "--json"
    )
    assert result.code == 0, result.err
    try:
        assert echo.client().models.retrieve("team/model:7b").id == "team/model:7b"
        assert echo.get("/v1/models/team%2Fmodel:7b").status_code == 200
    finally:
        assert echo.volery("registry", "deregister", result.json()["id"]).code == 0


def test_the_command_line_lists_the_same_models(platform):
    result = platform.volery("models", "list", "--json")
    assert result.code == 0, result.err
    rows = {row["model"]: row for row in result.json()}
    assert {model.id for model in platform.client().models.list()} <= set(rows)
    assert any("default" in row["aliases"] and row["state"] == "ready" for row in rows.values())


def test_runtimes_show_state_and_licence(platform):
    result = platform.volery("runtimes", "list", "--json")
    assert result.code == 0, result.err
    for row in result.json():
        assert row["state"] == "ready"
        assert row["licence"]
        assert row["pid"] > 0
