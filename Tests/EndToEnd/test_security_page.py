"""docs/security.md says of each threat which test attacks it; a name that is no test would be an empty promise."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parents[1] / "docs/security.md"

#: Rows that no script can attack, and why.
WITHOUT_A_SCRIPT = {
    "taking up all there is": "nothing stops it yet, and the row says so",
    "a runtime that attacks its machine": "nothing stops it, and the row says so",
}


def rows() -> list[list[str]]:
    """The cells of every threat."""
    found, is_threats = [], False
    for line in PAGE.read_text().splitlines():
        if line.startswith("| "):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            is_threats = is_threats or cells[0] == "threat"
            if is_threats and cells[0] != "threat":
                found.append(cells)
        elif not line.startswith("|"):
            is_threats = False
    return found


def test_every_threat_has_an_attack_or_a_reason():
    assert len(rows()) >= 25
    for threat, stops, _, shown in rows():
        assert stops, threat
        assert "`test_" in shown or threat in WITHOUT_A_SCRIPT, f"nothing attacks: {threat}"


def test_every_attack_that_is_named_is_a_test():
    names = re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE.read_text())
    assert len(names) >= 40
    for file, name in names:
        assert re.search(rf"^def {name}\(", (TESTS / file).read_text(), re.MULTILINE), f"{file} has no {name}"
