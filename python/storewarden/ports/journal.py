# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes behind the journal's hashes: part of the contract, not of one database.

A chain is only worth something when anybody can compute it again: another
implementation of the ledger, an export read on another machine, an auditor's
own ten lines. So the two rules live here: how a body becomes bytes (canonical
JSON: sorted keys, no blanks, ASCII only), and what a hash covers (every stored
field, each with its length in front, so that nothing can move from one field
into its neighbour).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from storewarden.domain.errors import AdapterError

GENESIS = "0" * 64
"""The "previous hash" of entry 1."""

_FORMAT = b"storewarden-journal-1"  # another layout of the hashed bytes needs another word here
_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_DEPTH = 64  # deeper JSON is an accident or an attack, and json.loads would stop at it anyway


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """The stored form of one entry, everything its hash covers."""

    sequence: int
    at: str
    kind: str
    run: str
    step: str
    body: bytes
    previous: str


def canonical(value: object) -> bytes:
    """``value`` as canonical JSON bytes.

    Tuples become lists, datetimes with a zone become text in UTC. Raises
    AdapterError, naming the place inside the value, for NaN and infinities,
    datetimes without a zone, keys that are not text and anything else JSON
    does not know.
    """
    return _ENCODE(_plain(value, "body", 0)).encode("ascii")


def digest(data: bytes) -> str:
    """Hex sha256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def seal(entry: Sealed) -> str:
    """The hash of one entry: hex sha256 over its length-prefixed stored fields."""
    hasher = hashlib.sha256(_FORMAT)
    texts = (str(entry.sequence), entry.at, entry.kind, entry.run, entry.step)
    fields = [text.encode("utf-8", "surrogateescape") for text in texts]
    fields += [entry.body, entry.previous.encode("utf-8", "surrogateescape")]
    for data in fields:
        hasher.update(len(data).to_bytes(8, "big"))
        hasher.update(data)
    return hasher.hexdigest()


def stamp(at: datetime) -> str:
    """A moment as stored text: UTC, microseconds, sorts as it passes.

    Raises AdapterError for a datetime without a zone.
    """
    return _stamp(at, "at")


def moment(text: str) -> datetime:
    """The moment that ``stamp`` wrote."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _stamp(at: datetime, where: str) -> str:
    if at.tzinfo is None or at.utcoffset() is None:
        raise _refusal(where, "is a time without a zone")
    utc = at.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="microseconds") + "Z"


def _plain(value: object, where: str, depth: int) -> object:
    if depth > _DEPTH:
        raise _refusal(where, f"is nested deeper than {_DEPTH} levels")
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return _number(value, where)
    if isinstance(value, datetime):
        return _stamp(value, where)
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {
            _key(key, where): _plain(item, f"{where}.{key}", depth + 1)
            for key, item in value.items()
        }
    raise _refusal(where, f"is a {type(value).__name__}, which JSON does not know")


def _number(value: float, where: str) -> float:
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
        raise _refusal(where, f"is {value}, which JSON does not know")
    return value


def _key(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise _refusal(where, f"has the key {key!r}, which is not text")
    return key


def _refusal(where: str, what: str) -> AdapterError:
    return AdapterError(f"{where} {what}", where="journal", hint="nothing was written")
