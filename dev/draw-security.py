#!/usr/bin/env python3
"""Draws docs/security.svg, the picture of the boundaries; run it after changing the lists here."""

from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 960, 430

#: Each zone: left, top, width, height, its name, its colour, and its boxes: left, top, width, name, purpose.
ZONES = [
    (20, 40, 200, 370, "anybody", "#f3f4f6", [
        (40, 80, 160, "stranger", "no credential"),
        (40, 160, 160, "tenant A", "keys, sessions"),
        (40, 240, 160, "tenant B", "keys, sessions"),
        (40, 320, 160, "browser page", "of any origin"),
    ]),
    (280, 40, 300, 370, "the platform's process", "#dbeafe", [
        (300, 80, 260, "edge", "TLS, limits, throttle, CORS"),
        (300, 160, 260, "credential, then decision", "who, then whether: deny by default"),
        (300, 240, 260, "flows and stores", "every query with its workspace"),
        (300, 320, 260, "secrets in memory", "provider keys, master key"),
    ]),
    (640, 40, 300, 115, "storage", "#dcfce7", [
        (660, 80, 125, "database", "rows, hashes"),
        (795, 80, 125, "data folder", "keys, anchors"),
    ]),
    (640, 168, 300, 115, "this machine", "#fef3c7", [(660, 208, 260, "runtimes", "children, on loopback")]),
    (640, 295, 300, 115, "outside", "#fee2e2", [(660, 335, 260, "providers", "over TLS, one host for each key")]),
]

#: Where a boundary is crossed: x, y, its number.
CROSSINGS = [(250, 110, 1), (430, 147, 2), (610, 110, 3), (610, 238, 4), (610, 365, 5)]
ARROWS = ["M200 110 H298", "M430 144 V158", "M560 110 H658", "M560 270 H600 V238 H658", "M560 350 H600 V365 H658"]


def box(left: int, top: int, width: int, name: str, purpose: str) -> str:
    middle = left + width / 2
    return (
        f'<rect x="{left}" y="{top}" width="{width}" height="62" rx="6" fill="#ffffff"/>'
        f'<text x="{middle:.0f}" y="{top + 27}" class="name">{escape(name)}</text>'
        f'<text x="{middle:.0f}" y="{top + 46}" class="purpose">{escape(purpose)}</text>'
    )


def zone(left: int, top: int, width: int, height: int, name: str, fill: str, boxes: list) -> str:
    parts = [
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="8" fill="{fill}" class="zone"/>',
        f'<text x="{left + 12}" y="{top + 24}" class="label">{escape(name)}</text>',
    ]
    return "\n".join(parts + [box(*one) for one in boxes])


def main() -> None:
    style = (
        "text{font-family:system-ui,sans-serif;fill:#111827;text-anchor:middle}"
        ".label{font-size:12px;fill:#6b7280;text-anchor:start}.name{font-size:14px;font-weight:600}"
        ".purpose{font-size:11px;fill:#374151}rect{stroke:#9ca3af}.zone{stroke-dasharray:5 4}"
        ".arrow{stroke:#6b7280;fill:none}.number{font-size:12px;font-weight:700;fill:#ffffff}"
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Who reaches what: five boundaries between callers, the platform, its storage, its runtimes and '
        f'providers">\n<style>{style}</style>\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#6b7280"/></marker></defs>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff" style="stroke:none"/>\n'
    )
    parts = [zone(*one) for one in ZONES]
    parts += [f'<path d="{path}" class="arrow" marker-end="url(#tip)"/>' for path in ARROWS]
    for x, y, number in CROSSINGS:
        parts.append(f'<circle cx="{x}" cy="{y}" r="10" fill="#b91c1c"/>')
        parts.append(f'<text x="{x}" y="{y + 4}" class="number">{number}</text>')
    target = Path(__file__).resolve().parent.parent / "docs/security.svg"
    target.write_text(head + "\n".join(parts) + "\n</svg>\n")
    print(f"wrote {target.name}")


if __name__ == "__main__":
    main()
