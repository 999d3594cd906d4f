# SPDX-License-Identifier: GPL-3.0-or-later
"""Who somebody is: the people file and the tokens file, both read again when they change.

Both are edited while the service runs, and an approval must never be decided by half a
file. So a file is taken over whole or not at all: one that cannot be read or understood
leaves the last good state in force and is reported (``trouble``). Of a token only its
sha256 is stored; a token is 256 random bits, so nobody finds it from that.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from storewarden.domain.change.people import Person
from storewarden.domain.errors import AdapterError, ConfigInvalid, Refused, StorewardenError
from storewarden.ports.clock import Clock
from storewarden.ports.people import IssuedToken, Member, TokenFacts

type ReadMembers = Callable[[Path], tuple[Member, ...]]
"""Reads a people file; raises ConfigInvalid with the line of what is wrong."""

_REMEMBERED = timedelta(days=365)  # dead tokens stay listed for a year, the ledger keeps them all
_LONGEST = 300  # characters; anything longer was never issued here
_OTHERS = 0o077
_TICK = 100_000_000  # ns; file systems stamp in steps of a few milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """One line of the tokens file."""

    facts: TokenFacts
    digest: str


class _Watched[T]:
    """A file's content, read again when the file is another one or has changed.

    The first reading raises; later ones keep what was there before.
    """

    def __init__(self, path: Path, read: Callable[[Path], T]) -> None:
        self._path = path
        self._read = read
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._content: T = read(path)
        self.trouble = ""
        self.current()

    def current(self) -> T:
        """The content as it is now, or as it was when it was last whole."""
        with self._lock:
            before = _mark(self._path)
            if before == self._seen:
                return self._content
            try:
                content = self._read(self._path)
            except StorewardenError as error:
                self.trouble = str(error)
                self._seen = None if _fresh(before) else before
                return self._content
            # Written to while we read, or so lately that the next writing may carry the same
            # time: take it, and look once more the next time.
            settled = before == _mark(self._path) and not _fresh(before)
            self._seen = before if settled else None
            self._content, self.trouble = content, ""
            return content


class PeopleFiles:
    """The People port over two files. Raises ConfigInvalid when made over broken ones.

    ``zone`` decides when the day begins on which somebody has left.
    """

    def __init__(
        self, people: Path | None, tokens: Path, *, read: ReadMembers, clock: Clock, zone: tzinfo
    ) -> None:
        self._clock = clock
        self._zone = zone
        self._members = _Watched(people, read) if people else None
        self._tokens = _Watched(tokens, _read_tokens)

    def person(self, id: str) -> Person | None:
        """One person, None when unknown or gone."""
        return self._present().get(id)

    def everybody(self) -> tuple[Person, ...]:
        """All of them, by id."""
        present = self._present()
        return tuple(present[name] for name in sorted(present))

    def authenticate(self, token: str) -> Person:
        """Whose token this is; every stored digest is compared, whichever fits."""
        digest, found = _digest(token[:_LONGEST]), None
        for stored in self._tokens.current():
            if hmac.compare_digest(stored.digest, digest):
                found = stored.facts
        person = self.person(found.person) if found and found.valid(self._clock.now()) else None
        if person is None:
            raise Refused("the token is not accepted", where="token")
        return person

    def trouble(self) -> str:
        """What is wrong with the files as they are now."""
        self.everybody()
        self._tokens.current()
        members = self._members.trouble if self._members else ""
        return "; ".join(filter(None, (members, self._tokens.trouble)))

    def _present(self) -> Mapping[str, Person]:
        today = self._clock.now().astimezone(self._zone).date()
        members = self._members.current() if self._members else ()
        return {m.person.id: m.person for m in members if m.left is None or today < m.left}


class TokenFile:
    """The TokenBook port over one file, 0600, which belongs to the service's user."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def prepare(self, person: str, lifetime: timedelta, by: str) -> IssuedToken:
        """A token of 256 random bits; nothing is written yet."""
        now = self._clock.now()
        facts = TokenFacts(
            id=secrets.token_hex(4), person=person, issued=now, expires=now + lifetime, by=by
        )
        return IssuedToken(facts=facts, token=f"sw_{person}_{secrets.token_hex(32)}")

    def keep(self, issued: IssuedToken) -> None:
        """Write its digest; on the disk when this returns."""
        with self._locked():
            oldest = self._clock.now() - _REMEMBERED
            kept = [each for each in _read_tokens(self._path) if each.facts.expires > oldest]
            self._write([*kept, _Stored(facts=issued.facts, digest=_digest(issued.token))])

    def withdraw(self, person: str) -> tuple[TokenFacts, ...]:
        """Mark all of a person's valid tokens."""
        with self._locked():
            now, stored = self._clock.now(), _read_tokens(self._path)
            ended = {s.facts.id for s in stored if s.facts.person == person and s.facts.valid(now)}
            if not ended:
                return ()
            marked = [
                replace(s, facts=replace(s.facts, withdrawn=now)) if s.facts.id in ended else s
                for s in stored
            ]
            self._write(marked)
            return tuple(s.facts for s in marked if s.facts.id in ended)

    def tokens(self) -> tuple[TokenFacts, ...]:
        """All that are remembered, oldest first."""
        return tuple(stored.facts for stored in _read_tokens(self._path))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time; the lock is a file of its own, since the other is replaced."""
        lock = self._path.with_name(f"{self._path.name}.lock")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unwritable(error, self._path) from error
        try:
            _give(handle, _owner(self._path))
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _write(self, stored: list[_Stored]) -> None:
        """The whole file or nothing, for the one to whom it belonged before."""
        text = json.dumps({"tokens": [_line(each) for each in stored]}, indent=1) + "\n"
        try:
            _replace(self._path, text)
        except OSError as error:
            raise _unwritable(error, self._path) from error


def _read_tokens(path: Path) -> tuple[_Stored, ...]:
    """What is in the file; a file that is not there holds none."""
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            raw = stream.read()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigInvalid(
            f"cannot be read: {(error.strerror or str(error)).lower()}",
            where=str(path),
            hint="it belongs to the user of the service",
        ) from None
    if not stat.S_ISREG(mode) or mode & _OTHERS:
        raise ConfigInvalid(
            "may be read by others than its owner", where=str(path), hint="chmod 600"
        )
    try:
        return tuple(_stored(line) for line in json.loads(raw)["tokens"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigInvalid(
            "is not a tokens file", where=str(path), hint="storewarden writes it; never edit it"
        ) from None


def _stored(line: Mapping[str, str | None]) -> _Stored:
    """One token from its JSON; ValueError, KeyError or TypeError when it is none."""
    withdrawn = line["withdrawn"]
    facts = TokenFacts(
        id=str(line["id"]),
        person=str(line["person"]),
        issued=_moment(line["issued"]),
        expires=_moment(line["expires"]),
        by=str(line["by"]),
        withdrawn=None if withdrawn is None else _moment(withdrawn),
    )
    digest = str(line["sha256"])
    if len(bytes.fromhex(digest)) != hashlib.sha256().digest_size:
        raise ValueError("not a sha256")
    return _Stored(facts=facts, digest=digest)


def _line(stored: _Stored) -> dict[str, str | None]:
    facts = stored.facts
    return {
        "id": facts.id,
        "person": facts.person,
        "issued": facts.issued.isoformat(),
        "expires": facts.expires.isoformat(),
        "by": facts.by,
        "withdrawn": facts.withdrawn.isoformat() if facts.withdrawn else None,
        "sha256": stored.digest,
    }


def _moment(text: str | None) -> datetime:
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _mark(path: Path) -> tuple[int, ...]:
    """What changes whenever a file does (its change time last); () while there is none."""
    try:
        now = path.stat()
    except OSError:
        return ()
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns


def _fresh(mark: tuple[int, ...]) -> bool:
    """Whether it changed so lately that one more change could go unnoticed."""
    return bool(mark) and time.time_ns() - mark[-1] < _TICK


def _owner(path: Path) -> tuple[int, int]:
    """To whom the file belongs, or would: the owner of its folder."""
    try:
        found = path.stat()
    except FileNotFoundError:
        found = path.parent.stat()
    return found.st_uid, found.st_gid


def _give(handle: int, owner: tuple[int, int]) -> None:
    """Root writes for the service: the service has to be able to read it."""
    if os.geteuid() == 0:
        os.fchown(handle, *owner)


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            _give(stream.fileno(), _owner(path))
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(error: OSError, path: Path) -> AdapterError:
    return AdapterError(
        f"cannot be written: {error.strerror}",
        where=str(path),
        hint="tokens are issued on the machine of the service, by its user or root",
    )
