"""What a model says in one answer, in no dialect. A scenario picks one; the dialect writes it its own way."""

import json
from dataclasses import dataclass

#: The arguments come in pieces that are no JSON by themselves, as every provider sends them.
WEATHER = ('{"city": ', '"Tehran", "un', 'it": "celsius"}')
ZONE = ('{"zone"', ': "Asia/Tehran"}')
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["fruit", "count"],
    "properties": {"fruit": {"type": "string"}, "count": {"type": "integer"}},
}
#: One red pixel, https://www.w3.org/TR/png/.
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="


@dataclass(frozen=True)
class Call:
    """A tool that the model wants called."""

    id: str
    name: str
    pieces: tuple[str, ...]

    @property
    def arguments(self) -> dict:
        return json.loads("".join(self.pieces))


@dataclass(frozen=True)
class Turn:
    pieces: tuple[str, ...] = ()
    #: What it thought before it spoke.
    thoughts: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    #: In OpenAI's words: stop, length, tool_calls, content_filter.
    finish: str = "stop"
    #: Tokens; those from the cache are part of the prompt's, and those of thoughts part of the answer's.
    prompt: int = 11
    answer: int = 5
    cached: int = 0
    thought: int = 0
    #: What the request must bring along: tools, a schema, a picture.
    needs: str | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def thinking(self) -> str:
        return "".join(self.thoughts)


TURNS = {
    "good": Turn(("Hello", ", ", "سلام", " and ", '🌱\n"quoted" \\ end.')),
    "length": Turn(("One two", " three"), finish="length", answer=4),
    "tools": Turn(
        calls=(Call("call_weather_1", "weather", WEATHER), Call("call_time_2", "time", ZONE)),
        finish="tool_calls",
        prompt=83,
        answer=41,
        needs="tools",
    ),
    "schema": Turn(('{"fruit"', ': "fig", ', '"count": 3}'), prompt=40, answer=12, needs="schema"),
    "picture": Turn(("A red ", "pixel."), prompt=97, answer=4, needs="picture"),
    "thinking": Turn(("42",), thoughts=("Six times", " seven."), prompt=20, answer=30, cached=8, thought=24),
    # Big counts: none of them may be taken for another.
    "cached": Turn(("From the ", "cache."), prompt=4096, answer=7, cached=3968),
}
