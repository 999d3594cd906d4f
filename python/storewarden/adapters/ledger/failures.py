# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database says when it fails, turned into one line an operator can act on.

A failed statement never harms what is already stored: each result is its own
transaction, so the line can promise that and say how to go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from storewarden.domain.errors import AdapterError, LedgerConflict, StorewardenError

_KEPT = "everything recorded before is kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meaning:
    what: str
    hint: str
    conflict: bool = False
    retryable: bool = False


_FULL = _Meaning(
    what="the disk under the ledger is full",
    hint=f"{_KEPT}; free some space there, then run the same command again",
    retryable=True,
)
_READ_ONLY = _Meaning(
    what="the ledger is not writable",
    hint="run as the user who owns the file, and check the mount for read-only",
)
_UNOPENED = _Meaning(
    what="the ledger cannot be opened",
    hint="check that the folder exists, has free space, belongs to this user and is no read-only"
    " mount (copy the file from there, or use an export)",
)
_LOCKED = _Meaning(
    what="another process kept the ledger locked for too long",
    hint=f"{_KEPT}; look for a hanging storewarden, then run the same command again",
    conflict=True,
)
_DAMAGED = _Meaning(
    what="the file is damaged or is no ledger",
    hint="restore it from a backup; do not delete it, it may be evidence",
    conflict=True,
)
_BROKEN_DISK = _Meaning(
    what="reading or writing the ledger failed in the disk or file system",
    hint=f"{_KEPT}; look into the kernel log and for a full disk",
    retryable=True,
)
_AWAY = _Meaning(
    what="the ledger's database does not answer",
    hint="start PostgreSQL or correct the address, then run the same command again",
    retryable=True,
)
_UNEXPLAINED = _Meaning(
    what="the ledger's database refused",
    hint="nothing of this step was written",
    conflict=True,
)

# SQLite: the name of the primary result code. PostgreSQL: the SQLSTATE, or its class.
_CODES = {
    "SQLITE_FULL": _FULL,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_PERM": _READ_ONLY,
    "SQLITE_AUTH": _READ_ONLY,
    "SQLITE_CANTOPEN": _UNOPENED,
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_PROTOCOL": _LOCKED,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_IOERR": _BROKEN_DISK,
    "53100": _FULL,
    "25006": _READ_ONLY,
    "42501": _READ_ONLY,
    "55P03": _LOCKED,
    "57014": _LOCKED,
    "40": _LOCKED,
    "08": _AWAY,
    "57": _AWAY,
    "28": _AWAY,
    "3D": _AWAY,
    "XX001": _DAMAGED,
    "58": _BROKEN_DISK,
}


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise AdapterError or LedgerConflict, naming ``where``, for what the database raises."""
    try:
        yield
    except DBAPIError as failure:
        raise _error(failure, where) from failure
    except UnicodeEncodeError as failure:
        raise AdapterError(
            "a name is no valid text", where=where, hint="nothing of this step was written"
        ) from failure
    except SQLAlchemyError as failure:
        raise LedgerConflict(_first_line(failure), where=where) from failure


def _error(failure: DBAPIError, where: str) -> StorewardenError:
    meaning = _meaning(failure)
    what = meaning.what
    if meaning in (_UNEXPLAINED, _AWAY, _BROKEN_DISK):
        what = f"{what}: {_first_line(failure.orig or failure)}"
    if meaning.conflict:
        return LedgerConflict(what, where=where, hint=meaning.hint)
    return AdapterError(what, where=where, hint=meaning.hint, retryable=meaning.retryable)


def _meaning(failure: DBAPIError) -> _Meaning:
    name = getattr(failure.orig, "sqlite_errorname", None)
    if isinstance(name, str):
        return _CODES.get("_".join(name.split("_")[:2]), _UNEXPLAINED)
    state = getattr(failure.orig, "sqlstate", None)
    if state is None:  # psycopg gives none when it never came as far as a session
        return _AWAY if type(failure.orig).__name__ == "OperationalError" else _UNEXPLAINED
    return _CODES.get(state) or _CODES.get(state[:2]) or _UNEXPLAINED


def _first_line(failure: BaseException) -> str:
    return (str(failure).strip().splitlines() or [type(failure).__name__])[0]
