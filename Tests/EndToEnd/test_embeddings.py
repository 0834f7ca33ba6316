"""Embeddings by the official client, with the real model."""

import math

import openai
import pytest


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def embed(platform, text, **more):
    return platform.client().embeddings.create(model="embed", input=text, **more)


def test_one_text_gives_one_vector_and_its_usage(platform):
    # The client asks for base64 unless it is told otherwise; what it shows is the decoded vector.
    answer = embed(platform, "query: a cat sat on the mat")
    assert len(answer.data) == 1
    assert len(answer.data[0].embedding) == 384
    assert answer.usage.prompt_tokens > 5
    assert answer.usage.total_tokens == answer.usage.prompt_tokens


def test_floats_and_base64_are_the_same_vector(platform):
    base64 = embed(platform, "a cat").data[0].embedding
    floats = embed(platform, "a cat", encoding_format="float").data[0].embedding
    assert cosine(base64, floats) > 0.99999


def test_a_batch_keeps_its_order(platform):
    texts = ["a cat", "the stock market", "ein Hund"]
    answer = embed(platform, texts)
    assert [row.index for row in answer.data] == [0, 1, 2]
    for text, row in zip(texts, answer.data):
        assert cosine(embed(platform, text).data[0].embedding, row.embedding) > 0.9999
    assert answer.usage.prompt_tokens == sum(embed(platform, text).usage.prompt_tokens for text in texts)


def test_a_persian_sentence_is_nearest_to_its_translation(platform):
    texts = [
        "query: گربه روی فرش خوابیده است",
        "query: the cat is sleeping on the carpet",
        "query: interest rates rose again this quarter",
    ]
    persian, english, other = (row.embedding for row in embed(platform, texts).data)
    assert cosine(persian, english) > cosine(persian, other)


def test_a_text_that_is_too_long_is_refused_with_numbers(platform):
    with pytest.raises(openai.BadRequestError) as caught:
        embed(platform, "word " * 3000)
    assert caught.value.code == "CONTEXT_LENGTH_EXCEEDED"
    figures = [value for value in caught.value.body.values() if isinstance(value, int)]
    assert len(figures) >= 2 and max(figures) > 2900, caught.value.body


def test_the_usage_row_counts_what_the_answer_says(platform):
    response = platform.client().embeddings.with_raw_response.create(model="embed", input=["one", "two"])
    row = platform.usage_of(response.headers["x-request-id"])
    assert row["operation"] == "embeddings"
    assert row["input_tokens"] == response.parse().usage.prompt_tokens
    assert row["output_tokens"] == 0


def test_a_chat_model_does_not_embed_and_an_embedding_model_does_not_chat(platform):
    with pytest.raises(openai.BadRequestError) as caught:
        platform.client().embeddings.create(model="default", input="x")
    assert caught.value.code == "CAPABILITY_UNSUPPORTED"
    with pytest.raises(openai.BadRequestError) as caught:
        platform.client().chat.completions.create(model="embed", messages=[{"role": "user", "content": "x"}])
    assert caught.value.code == "CAPABILITY_UNSUPPORTED"
