"""What somebody does to the audit log who can write the database, but holds no key of ours."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .postgres import Cluster
from .volery import Platform

#: The audit log's rows as an attacker finds them.
Execute = Callable[[str], list]


@contextmanager
def sqlite_of(platform: Platform) -> Iterator[Execute]:
    """The database file of a stopped platform, with what guards the log taken away first."""
    database = sqlite3.connect(platform.data_dir / "volery.db")
    try:
        guards = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('audit_event', 'audit_head')"
        for (name,) in database.execute(guards).fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        yield lambda text: database.execute(text).fetchall()
        database.commit()
    finally:
        database.close()


@contextmanager
def superuser_of(cluster: Cluster, database: str) -> Iterator[Execute]:
    # Whoever may do that turns triggers off as well.
    guards_off = "SET session_replication_role = replica; "
    yield lambda text: cluster.sql(guards_off + text, database, user="postgres")


def _of(tenant: str | None) -> str:
    return f"chain = '{tenant or 'platform'}'"


def last(execute: Execute, tenant: str | None) -> int:
    return int(execute(f"SELECT max(sequence) FROM audit_event WHERE {_of(tenant)}")[0][0])


def change(execute: Execute, tenant: str | None) -> None:
    execute(f"UPDATE audit_event SET actor = 'somebody else' WHERE {_of(tenant)} AND sequence = 2")


def change_details(execute: Execute, tenant: str | None) -> None:
    execute(f"UPDATE audit_event SET details = '{{}}' WHERE {_of(tenant)} AND details <> '{{}}'")


def change_time(execute: Execute, tenant: str | None) -> None:
    execute(f"UPDATE audit_event SET happened = happened + 1 WHERE {_of(tenant)} AND sequence = 1")


def delete_middle(execute: Execute, tenant: str | None) -> None:
    execute(f"DELETE FROM audit_event WHERE {_of(tenant)} AND sequence = 2")


def close_the_gap(execute: Execute, tenant: str | None) -> None:
    """Deletes one and renumbers those behind it."""
    end = last(execute, tenant)
    delete_middle(execute, tenant)
    for sequence in range(3, end + 1):
        execute(f"UPDATE audit_event SET sequence = {sequence - 1} WHERE {_of(tenant)} AND sequence = {sequence}")


def swap(execute: Execute, tenant: str | None) -> None:
    for old, new in ((1, 1_000_001), (2, 1), (1_000_001, 2)):
        execute(f"UPDATE audit_event SET sequence = {new} WHERE {_of(tenant)} AND sequence = {old}")


def cut_tail(execute: Execute, tenant: str | None) -> None:
    """Deletes the newest events, and makes the head say that all is well."""
    end = last(execute, tenant)
    execute(f"DELETE FROM audit_event WHERE {_of(tenant)} AND sequence > {end - 2}")
    seal = f"(SELECT seal FROM audit_event WHERE {_of(tenant)} AND sequence = {end - 2})"
    execute(f"UPDATE audit_head SET sequence = {end - 2}, seal = {seal} WHERE {_of(tenant)}")


def delete_chain(execute: Execute, tenant: str | None) -> None:
    execute(f"DELETE FROM audit_event WHERE {_of(tenant)}")
    execute(f"DELETE FROM audit_head WHERE {_of(tenant)}")


def recompute(execute: Execute, tenant: str | None) -> None:
    """Rewrites history with seals of one's own, each naming the one before it, as a chain does."""
    is_sqlite = _is_sqlite(execute)
    for sequence in range(2, last(execute, tenant) + 1):
        own = f"{sequence:064x}"
        earlier = f"{sequence - 1:064x}"
        seal, previous = (f"x'{text}'" if is_sqlite else f"'\\x{text}'::bytea" for text in (own, earlier))
        changed = "actor = 'somebody else', " if sequence == 2 else ""
        kept = "" if sequence == 2 else f", previous = {previous}"
        execute(f"UPDATE audit_event SET {changed}seal = {seal}{kept} WHERE {_of(tenant)} AND sequence = {sequence}")
        execute(f"UPDATE audit_head SET seal = {seal} WHERE {_of(tenant)}")


def _is_sqlite(execute: Execute) -> bool:
    try:
        execute("SELECT sqlite_version()")
        return True
    except AssertionError:
        return False


WAYS: dict[str, Callable[[Execute, str | None], None]] = {
    "changed": change,
    "details changed": change_details,
    "time changed": change_time,
    "deleted in the middle": delete_middle,
    "deleted and renumbered": close_the_gap,
    "swapped": swap,
    "tail cut": cut_tail,
    "chain deleted": delete_chain,
    "recomputed": recompute,
}
