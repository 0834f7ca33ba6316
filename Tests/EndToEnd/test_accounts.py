"""The check of the usage rows can fail: each kind of mistake is planted once, and found."""

import pytest
from harness import load
from harness.accounts import faults
from harness.load import Seen

WHOLE = load.scripted(3)
STREAM = load.scripted(200, pause=10, is_stream=True)
#: When the upstream sent the words of the cut stream; each arrived 1 ms later.
SENT = [number / 100 for number in range(120)]


def seen() -> list[Seen]:
    whole = Seen(WHOLE, 0, 1, "req_whole", 200, told=WHOLE.tokens, is_complete=True)
    cut = Seen(STREAM, 0, 2, "req_cut", 200, words=[at + 0.001 for at in SENT[:100]], broken="reset")
    headless = Seen(WHOLE, 0, 1, broken="reset")
    return [whole, cut, headless]


def row(request: str, status: str, tokens: tuple[int, int]) -> dict:
    return {
        "request_id": request,
        "model": "scripted",
        "status": status,
        "input_tokens": tokens[0],
        "output_tokens": tokens[1],
    }


GOOD_WHOLE = row("req_whole", "succeeded", WHOLE.tokens)
GOOD_CUT = row("req_cut", "interrupted", (9, 90))
HEADLESS = row("req_headless", "succeeded", WHOLE.tokens)


@pytest.mark.parametrize(
    "rows",
    [
        [GOOD_WHOLE, GOOD_CUT],
        [GOOD_WHOLE, GOOD_CUT, HEADLESS],
        [GOOD_WHOLE, row("req_cut", "succeeded", STREAM.tokens)],
        [GOOD_WHOLE, row("req_cut", "interrupted", (9, 120))],
    ],
    ids=["cut in the middle", "cut before its head, and counted", "closed before the cut", "all that was produced"],
)
def test_right_rows_are_right(rows):
    assert faults(seen(), rows, {"req_cut": SENT}) == []


@pytest.mark.parametrize(
    "rows, what",
    [
        ([GOOD_CUT], "req_whole has no row"),
        ([GOOD_WHOLE], "req_cut has no row"),
        ([GOOD_WHOLE, GOOD_CUT, GOOD_CUT], "2 rows"),
        ([GOOD_WHOLE, GOOD_CUT, HEADLESS, HEADLESS | {"request_id": "req_other"}], "nobody saw answered"),
        ([GOOD_WHOLE, GOOD_CUT, HEADLESS | {"status": "failed"}], "before its head"),
        ([GOOD_WHOLE | {"output_tokens": 4}, GOOD_CUT], "tokens should be"),
        ([GOOD_WHOLE | {"status": "interrupted"}, GOOD_CUT], "not succeeded"),
        ([GOOD_WHOLE | {"model": "other"}, GOOD_CUT], "model"),
        ([GOOD_WHOLE, GOOD_CUT | {"status": "client_closed"}], "not interrupted"),
        ([GOOD_WHOLE, GOOD_CUT | {"output_tokens": 151}], "should be 69 to 150"),
        ([GOOD_WHOLE, GOOD_CUT | {"output_tokens": 68}], "should be 69 to 150"),
        ([GOOD_WHOLE, GOOD_CUT | {"output_tokens": 0}], "should be 69 to 150"),
        ([GOOD_WHOLE, GOOD_CUT | {"input_tokens": 0}], "no input"),
    ],
)
def test_a_mistake_is_found(rows, what):
    found = faults(seen(), rows, {"req_cut": SENT})
    assert len(found) == 1 and what in found[0], found


def test_a_refused_request_is_a_mistake():
    refused = Seen(WHOLE, 0, 1, "req_refused", 503, code="OVERLOADED")
    assert "OVERLOADED" in faults([refused], [], {})[0]
