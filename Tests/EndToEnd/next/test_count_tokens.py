"""Counting a prompt's tokens for a client of messages; for when that is offered."""

import anthropic
from test_messages_api import CLAUDE, QUESTION, client_of, every_dialect, sent, stage  # noqa: F401


@every_dialect
def test_tokens_are_counted_where_that_is_offered(stage, dialect):
    model = stage.model(dialect, "good")
    try:
        count = client_of(stage).messages.count_tokens(model=model, messages=QUESTION)
    except (anthropic.NotFoundError, anthropic.BadRequestError) as error:
        # An exact count needs a provider that counts; a refusal says so in Anthropic's shape.
        assert dialect is not CLAUDE and error.body["type"] == "error"
    else:
        assert count.input_tokens > 0
    assert stage.server(dialect).chats == [] or sent(stage, dialect).get("messages") is not None
