"""Fills a database with tenants, workspaces and keys, past the platform: by its API a hundred thousand keys would take
as many argon2 hashes."""

import ctypes
import ctypes.util
import random
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TENANTS, WORKSPACES, KEYS = 1_000, 20, 100_000
#: When all of it was made, in microseconds since 1970.
MADE = 1_790_000_000_000_000
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: Parameters of the platform's own hashes, and of hashes that cost nothing, which leave the rest of a check to be seen.
REAL, FREE = (2, 19_456), (1, 8)


def identifier(kind: str, number: int) -> str:
    """Ordered as the numbers are."""
    value = ((MADE // 1000) << 80) | number << 40 | (number * 2_654_435_761 & 0xFFFFFFFF)
    return f"{kind}_" + "".join(DIGITS[value >> 5 * place & 31] for place in reversed(range(26)))


_argon2 = ctypes.CDLL(ctypes.util.find_library("argon2") or "libargon2.so.1")


def argon2id(text: str, passes: int, memory: int) -> str:
    secret, salt, encoded = text.encode(), random.Random(text).randbytes(16), ctypes.create_string_buffer(256)
    code = _argon2.argon2id_hash_encoded(
        *(ctypes.c_uint32(value) for value in (passes, memory, 1)),
        secret,
        ctypes.c_size_t(len(secret)),
        salt,
        ctypes.c_size_t(len(salt)),
        ctypes.c_size_t(32),
        encoded,
        ctypes.c_size_t(256),
    )
    assert code == 0, f"argon2: {code}"
    return encoded.value.decode()


def token(number: int) -> str:
    source = random.Random(number)
    letters = DIGITS.lower()
    return f"vk_{number:010}_" + "".join(source.choice(letters) for _ in range(40))


@dataclass
class Seeded:
    """Keys that a caller has, by what checking them costs."""

    real: list[str]
    free: list[str]


def rows(real: int, free: int) -> tuple[dict[str, Iterator[tuple]], Seeded]:
    """What goes into each table. The first keys have hashes of their own; the others are nobody's."""
    used = [token(number) for number in range(real + free)]
    hashes = [argon2id(text, *(REAL if number < real else FREE)) for number, text in enumerate(used)]
    nobody = argon2id("nobody", *REAL)
    per_tenant = WORKSPACES

    def tenants() -> Iterator[tuple]:
        return ((identifier("ten", n), f"tenant {n}", MADE) for n in range(TENANTS))

    def workspaces() -> Iterator[tuple]:
        for n in range(TENANTS * per_tenant):
            yield identifier("ws", n), identifier("ten", n // per_tenant), f"workspace {n % per_tenant}", MADE

    def keys() -> Iterator[tuple]:
        for n in range(KEYS):
            # In turn through all workspaces, so that keys in use are of as many tenants as can be.
            place = n % (TENANTS * per_tenant)
            text = hashes[n] if n < len(hashes) else nobody
            yield (
                identifier("key", n),
                identifier("ten", place // per_tenant),
                identifier("ws", place),
                f"key {n}",
                f"{n:010}",
                text,
                MADE,
            )

    tables = {
        "tenant (id, name, created)": tenants(),
        "workspace (id, tenant_id, name, created)": workspaces(),
        "api_key (id, tenant_id, workspace_id, name, prefix, hash, created)": keys(),
    }
    return tables, Seeded(used[:real], used[real:])


def into_sqlite(file: Path, tables: dict[str, Iterator[tuple]]) -> None:
    database = sqlite3.connect(file)
    for table, values in tables.items():
        marks = ", ".join("?" * (table.count(",") + 1))
        database.executemany(f"INSERT INTO {table} VALUES ({marks})", values)
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def into_postgres(url: str, tables: dict[str, Iterator[tuple]]) -> None:
    """As a superuser, whom no policy stops."""
    for table, values in tables.items():
        text = "\n".join("\t".join(map(str, value)) for value in values)
        subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", f"COPY {table} FROM STDIN", url],
            input=text + "\n",
            text=True,
            check=True,
        )
    subprocess.run(["psql", "-X", "-q", "-c", "ANALYZE", url], check=True)
