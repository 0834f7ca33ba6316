"""OpenAI's Responses API, which is passed through and not translated.

Sources: https://platform.openai.com/docs/api-reference/responses and …/responses-streaming (order of the events,
`sequence_number`, the three ends).
"""

import time

from harness.upstream import Connection, Request

from .dialect import MARK, Event
from .framing import Framing
from .openai import OpenAI
from .turns import TURNS, Turn

IDENTIFIER, ITEM = "resp_67ccd3a9da748190baa7f1570fe91ac6", "msg_67ccd3acc8d48190a77525dc6de64b41"


def usage(turn: Turn) -> dict:
    return {
        "input_tokens": turn.prompt,
        "input_tokens_details": {"cached_tokens": turn.cached},
        "output_tokens": turn.answer,
        "output_tokens_details": {"reasoning_tokens": turn.thought},
        "total_tokens": turn.prompt + turn.answer,
    }


def item(text: str, status: str) -> dict:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    content = [part] if status == "completed" else []
    return {"type": "message", "id": ITEM, "status": status, "role": "assistant", "content": content}


def response(request: Request, turn: Turn, status: str = "completed") -> dict:
    is_over = status == "completed"
    body = request.json()
    return {
        "id": IDENTIFIER,
        "object": "response",
        "created_at": 1741476777,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": body["model"],
        "output": [item(turn.text, status)] if is_over else [],
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage(turn) if is_over else None,
        "user": None,
        "metadata": {},
    }


def events(request: Request, turn: Turn) -> list[Event]:
    """There is no `[DONE]`: `response.completed` is the end."""
    place = {"item_id": ITEM, "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": turn.text, "annotations": []}
    said = [
        ("response.created", {"response": response(request, turn, "in_progress")}),
        ("response.in_progress", {"response": response(request, turn, "in_progress")}),
        ("response.output_item.added", {"output_index": 0, "item": item("", "in_progress")}),
        ("response.content_part.added", place | {"part": part | {"text": ""}}),
        *(("response.output_text.delta", place | {"delta": piece, "logprobs": []}) for piece in turn.pieces),
        ("response.output_text.done", place | {"text": turn.text, "logprobs": []}),
        ("response.content_part.done", place | {"part": part}),
        ("response.output_item.done", {"output_index": 0, "item": item(turn.text, "completed")}),
        ("response.completed", {"response": response(request, turn)}),
    ]
    return [Event({"type": name, "sequence_number": number} | data, name) for number, (name, data) in enumerate(said)]


def failed(request: Request, turn: Turn) -> Event:
    body = response(request, turn, "failed") | {"error": {"code": "server_error", "message": f"Failed. {MARK}"}}
    return Event({"type": "response.failed", "sequence_number": 9, "response": body}, "response.failed")


def play_response(connection: Connection, request: Request, name: str) -> None:
    scenario, _, framing = name.partition(".")
    wire = Framing(connection, framing or "plain")
    turn = TURNS.get(scenario, TURNS["good"])
    if not isinstance(request.json().get("input"), str | list):
        refusal = OpenAI().refusal("bad-request")
        return wire.whole(refusal.status, refusal.content_type, refusal.data)
    if scenario in ("rate-limited", "failed", "context"):
        refusal = OpenAI().refusal(scenario)
        return wire.whole(refusal.status, refusal.content_type, refusal.data, *refusal.fields)
    if not request.json().get("stream"):
        data = Event(response(request, turn), field="").encoded.strip()
        return wire.whole("200 OK", "application/json", data)
    wire.begin()
    said = events(request, turn)
    if scenario in ("no-end", "error-midway", "cut"):
        said = said[:6]
    for event in said:
        wire.event(event.encoded)
    if scenario == "error-midway":
        wire.event(failed(request, turn).encoded)
    if scenario == "cut":
        # What was sent must arrive before the reset, which drops what waits.
        time.sleep(0.05)
        return connection.reset()
    wire.end()
