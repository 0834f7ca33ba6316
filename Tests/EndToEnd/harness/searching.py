"""Looks for secrets: as they are, and in the encodings in which they could have slipped out."""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

from . import processes


def _base64_cores(text: bytes) -> set[bytes]:
    """What is in the base64 of any text that holds this one, wherever in it."""
    found = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            coded = encode(b"\0" * before + text)
            # The first and the last letters depend on the neighbours.
            core = coded[4 if before else 0 :].rstrip(b"=")[: -4 or None]
            if len(core) >= 8:
                found.add(core)
    return found


def forms(secret: str) -> set[bytes]:
    raw = secret.encode()
    found = {raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode()}
    found |= {quote(secret, safe="").encode(), quote(secret).encode(), quote_plus(secret).encode()}
    found |= {json.dumps(secret)[1:-1].encode(), json.dumps(secret).replace("/", "\\/")[1:-1].encode()}
    return found | _base64_cores(raw)


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Each file's name in the folder, and what is in it. What is gone by the time it is looked at holds nothing: a
    platform that runs removes files of its journal and its database."""
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):
            if path.is_file() and not path.is_symlink():
                yield str(path.relative_to(folder)), path.read_bytes()


def assert_nothing(faults: list[str]) -> None:
    assert not faults, "\n".join(faults[:20])


class Search:
    """Collects secrets with where each may be, and finds them anywhere else."""

    def __init__(self) -> None:
        self.secrets: dict[str, tuple[set[bytes], set[str]]] = {}

    def add(self, name: str, secret: str, *allowed: str) -> str:
        """Notes a secret. `allowed` are names of places where it may be."""
        assert len(secret) >= 8, "too short to be told from chance"
        self.secrets[name] = (forms(secret), set(allowed))
        return secret

    def found(self, place: str, data: bytes | str) -> list[str]:
        data = data.encode() if isinstance(data, str) else data
        return [
            f"{name} in {place}, as {form[:12]!r}…"
            for name, (variants, allowed) in self.secrets.items()
            if place not in allowed
            for form in variants
            if form in data
        ]

    def in_folder(self, folder: Path) -> list[str]:
        faults = []
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            faults += self.found(name, name)
        for name, data in contents(folder):
            faults += self.found(name, data)
        return faults

    def in_processes(self, root: int) -> list[str]:
        """Command lines and environments of a process, of what it started, and the command lines of everybody."""
        faults = []
        for pid in processes.everyone():
            if pid != os.getpid():
                faults += self.found("cmdline", processes.command_line(pid))
        for pid in [root, *processes.descendants(root)]:
            faults += self.found("environ", processes._read(pid, "environ"))
        return faults
