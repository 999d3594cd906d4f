# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of a ledger's file that are proven before anybody relies on them.

A copy is made by SQLite's own online backup, while others go on writing; it is
one file without side files, is opened, verified, and carries a manifest that
says what it holds. Nothing is under its final name before that.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite

from storewarden.adapters.ledger.connection import connect, locate
from storewarden.adapters.ledger.peek import schema_of
from storewarden.adapters.ledger.sql import PATIENCE, SqlLedger
from storewarden.domain.errors import AdapterError, ConfigInvalid, LedgerConflict, StorewardenError
from storewarden.ports.clock import Clock
from storewarden.ports.journal import moment, stamp
from storewarden.ports.ledger import Verification

FORMAT = "storewarden-ledger-backup-1"
_BLOCK = 1024 * 1024
_OF_THE_DISK = ("database or disk is full", "disk I/O error", "unable to open database file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds. ``head`` is the hash of entry ``entries``, an anchor by itself."""

    at: datetime
    ledger: str
    schema: str
    entries: int
    head: str
    sha256: str
    size: int


def backup(ledger: SqlLedger, target: Path, clock: Clock) -> Manifest:
    """Copy the ledger into ``target`` and its manifest beside it.

    Raises ConfigInvalid when the target is there or the ledger is on PostgreSQL,
    LedgerConflict when the copy does not verify, AdapterError when it cannot be written.
    """
    if ledger.transactions.engine.dialect.name != "sqlite":
        raise ConfigInvalid(
            "a ledger on PostgreSQL is backed up with the server's own tools",
            where=ledger.place,
            hint="pg_dump -Fc, with the folder evidence of state_dir and the anchor file; then"
            " storewarden ledger verify on a restored copy",
        )
    for path in (target, manifest_path(target)):
        if path.exists():
            raise ConfigInvalid("is there already", where=str(path), hint="name a new file")
    aside = target.with_name(f".{target.name}.new")
    try:
        copy(Path(ledger.place), aside)
        manifest = _described(ledger.place, aside, proven(aside, clock), clock.now())
        write_manifest(manifest_path(target), manifest)
        aside.replace(target)
        sync(target.parent)
    except OSError as failure:
        raise AdapterError(
            f"the backup cannot be written: {failure.strerror}", where=str(target)
        ) from failure
    finally:
        with suppress(OSError):
            aside.unlink()
    return manifest


def copy(source: Path, target: Path) -> None:
    """A copy of a SQLite file (0600) as one file, synced; anything at ``target`` is replaced."""
    with suppress(FileNotFoundError):
        target.unlink()
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with (
            closing(sqlite.connect(source.absolute().as_uri() + "?mode=ro", uri=True)) as original,
            closing(sqlite.connect(str(target))) as made,
        ):
            original.backup(made)  # one read transaction: writers go on
            made.execute("PRAGMA journal_mode=DELETE").fetchall()
    except sqlite.Error as failure:
        raise _not_copied(failure, source, target) from failure
    handle = os.open(target, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _not_copied(failure: sqlite.Error, source: Path, target: Path) -> StorewardenError:
    """A disk that is full is not the ledger's fault."""
    if str(failure) in _OF_THE_DISK:  # the driver gives no code for what happens in a backup
        return AdapterError(
            f"cannot be copied to {target}: {failure}",
            where=str(source),
            hint="check free space there; nothing was changed",
            retryable=True,
        )
    return LedgerConflict(f"cannot be copied: {failure}", where=str(source))


def proven(file: Path, clock: Clock) -> Verification:
    """What verify says about a copy. Raises LedgerConflict when it finds a problem."""
    engine = connect(locate(file), PATIENCE.total_seconds())
    with SqlLedger(engine, clock) as ledger:
        verification = ledger.verify()
    refuse_problems(verification, file)
    return verification


def refuse_problems(verification: Verification, file: Path) -> None:
    """Raise LedgerConflict naming the first problem."""
    if not verification.problems:
        return
    first, more = verification.problems[0], len(verification.problems) - 1
    others = f" and {more} more" if more else ""
    raise LedgerConflict(
        f"the copy does not verify: {first.where}: {first.what}{others}",
        where=str(file),
        hint="run storewarden ledger verify; keep the file, it may be evidence",
    )


def manifest_path(backup_file: Path) -> Path:
    """Where the manifest of a backup lies."""
    return backup_file.with_name(f"{backup_file.name}.manifest.json")


def write_manifest(path: Path, manifest: Manifest) -> None:
    """The manifest as JSON, on the disk when it returns."""
    data = {name: getattr(manifest, name) for name in Manifest.__slots__}
    data |= {"at": stamp(manifest.at), "format": FORMAT}
    with path.open("xb") as stream:
        stream.write(json.dumps(data, indent=2, sort_keys=True).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def read_manifest(path: Path) -> Manifest | None:
    """The manifest at ``path``, None when there is none. Raises LedgerConflict for nonsense."""
    try:
        data: dict[str, Any] = json.loads(path.read_bytes())
        if data.pop("format") != FORMAT:
            raise ValueError("another format")
        return Manifest(**data | {"at": moment(data["at"])})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as failure:
        raise LedgerConflict(f"is no manifest of a backup: {failure}", where=str(path)) from failure


def sha256_of(file: Path) -> str:
    """The digest of a file's bytes."""
    hasher = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            hasher.update(block)
    return hasher.hexdigest()


def sync(folder: Path) -> None:
    """Make names in ``folder`` outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def noted(manifest: Manifest, file: Path, by: str) -> dict[str, object]:
    """The body of the journal entry about a backup."""
    return {
        "by": by,
        "file": file.name,
        "sequence": manifest.entries,
        "hash": manifest.head,
        "sha256": manifest.sha256,
    }


def _described(place: str, file: Path, proof: Verification, now: datetime) -> Manifest:
    return Manifest(
        at=now,
        ledger=place,
        schema=schema_of(file),
        entries=proof.entries,
        head=proof.head,
        sha256=sha256_of(file),
        size=file.stat().st_size,
    )
