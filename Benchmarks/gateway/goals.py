"""What the gateway's speed is held to: a floor that must hold, what is aimed at, and what was measured."""

import statistics
from dataclasses import dataclass

TRANSLATIONS = {
    "messages_on_chat": "Anthropic's client, OpenAI's upstream",
    "chat_on_messages": "OpenAI's client, Anthropic's upstream",
}


@dataclass(frozen=True)
class Goal:
    """`figure` must be at most `must`, and is meant to be at most `aim`; None where there is no such bound."""

    name: str
    figure: float | None
    must: float | None
    aim: float | None
    unit: str = "x"
    why_not: str = ""

    def shown(self, value: float | None) -> str:
        if value is None:
            return ""
        if self.unit == "x":
            return f"{value:.2f}x" if value >= 0.1 else f"1/{1 / value:,.0f}"
        return f"{value:,.2f} {self.unit}" if abs(value) < 10 else f"{value:,.1f} {self.unit}"

    @property
    def verdict(self) -> str:
        if self.figure is None:
            return "–"
        said = [
            f"{name} {'reached' if self.figure <= bound else 'missed'}"
            for name, bound in (("must", self.must), ("aim", self.aim))
            if bound is not None
        ]
        return ", ".join(said)

    def row(self) -> str:
        measured = self.shown(self.figure) if self.figure is not None else f"not measured: {self.why_not}"
        bounds = [f"≤ {self.shown(bound)}" if bound is not None else "" for bound in (self.must, self.aim)]
        return f"| {self.name} | {bounds[0]} | {bounds[1]} | {measured} | {self.verdict} |"


@dataclass(frozen=True)
class Results:
    """Rows of each round, by system."""

    rounds: list[dict]
    unavailable: dict[str, str]
    soak: dict | None

    def values(self, system: str, name: str) -> list[float]:
        rows = [one["systems"].get(system, {}) for one in self.rounds]
        return [row[name] for row in rows if isinstance(row.get(name), int | float)]

    def median(self, system: str, name: str) -> float | None:
        values = self.values(system, name)
        return statistics.median(values) if values else None

    def ratio(self, peer: str, name: str) -> float | None:
        """Of Volery's figure to the peer's of the same round; None for a peer that did not last."""
        if peer in self.unavailable:
            return None
        pairs = [(one["systems"].get("Volery", {}).get(name), one["systems"].get(peer, {}).get(name))
                 for one in self.rounds]
        ratios = [ours / theirs for ours, theirs in pairs if ours is not None and theirs is not None and theirs > 0]
        return statistics.median(ratios) if ratios else None

    def first(self, system: str, name: str) -> str | None:
        found = [one["systems"].get(system, {}).get(name) for one in self.rounds]
        return next((text for text in found if text), None)


Bounds = tuple[float | None, float | None]


def against(results: Results, name: str, figure: str, bounds: dict[str, Bounds]) -> list[Goal]:
    def why_not(peer: str) -> str:
        return results.unavailable.get(peer) or f"{peer} or its figure is missing in this run"

    return [
        Goal(f"{name} / {peer}'s", results.ratio(peer, figure), must, aim, why_not=why_not(peer))
        for peer, (must, aim) in bounds.items()
    ]


def memory_goals(results: Results) -> list[Goal]:
    held = results.first("Volery", "held") or "not opened in this run"
    return [
        Goal(
            f"RSS for each open idle stream, at {results.median('Volery', 'many_streams') or 10_000:,.0f}",
            *(results.median("Volery", "kib_stream"), 18, 12, "KiB", held),
        ),
        Goal("RSS idle", results.median("Volery", "rss_idle"), 48, 40, "MiB", "missing in this run"),
        Goal("RSS with 1,000 idle streams", results.median("Volery", "rss_1000"), 64, 48, "MiB", held),
    ]


def translation_goals(results: Results) -> list[Goal]:
    missing = "this version does not serve /v1/messages and Anthropic's upstreams"
    return [
        Goal(f"translation, CPU for each chunk above pass-through: {text}",
             results.median("Volery", f"translation_{name}"), 15, 6, "µs", missing)
        for name, text in TRANSLATIONS.items()
    ]


def soak_goal(results: Results) -> Goal:
    soak = results.soak or {}
    name = "10 minutes at saturation: RSS at the end against that after 1 minute"
    if soak.get("seconds"):
        name = f"{soak['seconds']:,} s at saturation: RSS at the end against that after {soak['early_seconds']:,} s"
    growth = 100 * (soak["rss_end"] / soak["rss_early"] - 1) if "rss_end" in soak else None
    return Goal(name, growth, 5, None, "%", soak.get("failed") or "not part of this run (--soak 600)")


def goals(results: Results) -> list[Goal]:
    requests = {
        "nginx": (2.5, 1.5),
        "Envoy": (1.0, 0.5),
        "smg": (1 / 2, 1 / 6),
        "vllm-router": (0.8, 0.4),
        "LiteLLM": (1 / 150, 1 / 300),
    }
    return [
        *against(results, "CPU for each request", "cpu_us_request", requests),
        *against(results, "CPU for each paced chunk", "cpu_us_chunk", {"nginx": (1.8, 1.3), "Envoy": (1.2, 0.85)}),
        *against(results, "added p50, one connection,", "added_p50_us_1", {"Envoy": (1.0, None), "nginx": (None, 1.3)}),
        *memory_goals(results),
        Goal("client gone → silent upstream closed, p99", results.median("Volery", "gone_p99_ms"), 100, 5, "ms",
             results.first("Volery", "gone") or "missing in this run"),
        *translation_goals(results),
        soak_goal(results),
    ]
