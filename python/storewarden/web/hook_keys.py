# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a request to /hooks/<source> comes from that source.

Whoever asks learns nothing: an unknown source, a wrong secret and a missing one are compared with
something, for the same time, and get the same answer. All secrets are read together and kept for
half a minute, so the answer takes no longer for a source that exists, and a secret that was
exchanged counts soon. One that cannot be read keeps its last value; a source whose secrets were
never read cannot be judged: then nobody is refused, all are asked to come again.

One request at a time reads them, and everybody else is judged by what is known: a vault that is
slow must not hold a thread for each request of a stranger.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from storewarden.config.healing import AuthConfig, SourceConfig
from storewarden.domain.errors import StorewardenError
from storewarden.ports.clock import Clock
from storewarden.ports.secrets import Secrets

_LOG = logging.getLogger("storewarden.web")
_KEPT = timedelta(seconds=30)
_SIGNATURE = re.compile(r"(?:sha256=)?([0-9a-fA-F]{64})")
_SECONDS = re.compile(r"[0-9]{1,12}")

type Headers = Sequence[tuple[bytes, bytes]]


class Entry(Enum):
    """What is known of a request before its body is read."""

    OPEN = "open"  # the right secret
    SIGNED = "signed"  # it has a signature, which has to be compared with the body
    CLOSED = "closed"  # nobody we know
    UNKNOWN = "unknown"  # secrets cannot be read: nobody can say


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What was found out from the headers; ``confirms`` ends it with the body."""

    entry: Entry
    source: str = ""
    _keys: tuple[bytes, ...] = field(default=(), repr=False)
    _stamp: bytes = b""
    _signature: str = ""

    def confirms(self, body: bytes) -> bool:
        """Whether the body is the one that was signed; without a signature it need not be."""
        if self.entry is not Entry.SIGNED:
            return self.entry is Entry.OPEN
        return _same(self._signature.lower(), [self._made(key, body) for key in self._keys])

    def _made(self, key: bytes, body: bytes) -> str:
        signed = hmac.new(key, self._stamp + b":", hashlib.sha256)
        signed.update(body)
        return signed.hexdigest()


class HookKeys:
    """The secrets of all sources."""

    def __init__(self, sources: Mapping[str, SourceConfig], secrets: Secrets, clock: Clock) -> None:
        self._sources = dict(sources)
        self._secrets = secrets
        self._clock = clock
        self._nobodys = os.urandom(32).hex().encode()
        self._known: dict[str, tuple[bytes, ...]] = {}
        self._read_at: datetime | None = None
        self._reading = threading.Lock()

    def admit(self, source: str, headers: Headers) -> Admission:
        """What the headers prove; may read secrets (call it in a thread)."""
        now = self._clock.now()
        known = self._current(now)
        config = self._sources.get(source)
        keys = known.get(source, ())
        if not keys and (config is not None or len(known) < len(self._sources)):
            return Admission(entry=Entry.UNKNOWN)
        if config is not None and config.auth.type != "hmac":
            if _opens(config.auth, keys, headers):
                return Admission(entry=Entry.OPEN, source=source)
        else:
            _opens(_ANY, (self._nobodys,), headers)  # takes the same time, opens nothing
        return self._signed(source if config is not None else "", keys, headers, now)

    def _signed(
        self, source: str, keys: tuple[bytes, ...], headers: Headers, now: datetime
    ) -> Admission:
        """A signature in any header that some source uses is compared, if only for the show."""
        config = self._sources.get(source)
        own = config is not None and config.auth.type == "hmac"
        candidates = [config] if own and config is not None else list(self._sources.values())
        for each in candidates:
            stamp = _stamp(each.auth, headers, now)
            found = _SIGNATURE.fullmatch(_only(headers, each.signature_header)) if stamp else None
            if found is not None and each.auth.type == "hmac":
                return Admission(
                    entry=Entry.SIGNED,
                    source=source if own else "",
                    _keys=keys if own else (self._nobodys,),
                    _stamp=stamp,
                    _signature=found.group(1),
                )
        return Admission(entry=Entry.CLOSED)

    def _current(self, now: datetime) -> Mapping[str, tuple[bytes, ...]]:
        fresh = self._read_at is not None and timedelta(0) <= now - self._read_at < _KEPT
        if not fresh and self._reading.acquire(blocking=False):
            try:
                for name, config in self._sources.items():
                    self._refresh(name, config)
                self._read_at = self._clock.now()  # it may have taken longer than they are kept
            finally:
                self._reading.release()
        return dict(self._known)

    def _refresh(self, name: str, config: SourceConfig) -> None:
        try:
            found = [self._secrets.read(each).reveal() for each in config.auth.secrets]
        except StorewardenError as error:
            kept = "its last ones count" if name in self._known else "nobody can be let in"
            _LOG.warning("alerts from %s: a secret cannot be read (%s): %s", name, kept, error)
            return
        self._known[name] = tuple(each.encode() for each in found)


_ANY = AuthConfig(type="bearer", secrets=("env:NONE",))


def _opens(auth: AuthConfig, keys: Sequence[bytes], headers: Headers) -> bool:
    given = _only(headers, "authorization")
    scheme, _, rest = given.partition(" ")
    if auth.type == "bearer":
        told = rest.strip() if scheme.lower() == "bearer" else ""
        return _same(told, [key.decode() for key in keys]) and bool(told)
    user, password = _user(rest) if scheme.lower() == "basic" else ("", "")
    right = _same(password, [key.decode() for key in keys])
    return _same(user, [auth.user]) and right and bool(password)


def _user(text: str) -> tuple[str, str]:
    try:
        plain = base64.b64decode(text.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return "", ""
    user, _, password = plain.partition(":")
    return user, password


def _stamp(auth: AuthConfig, headers: Headers, now: datetime) -> bytes:
    """The timestamp as it was sent, when it is near enough; else nothing."""
    told = _only(headers, auth.timestamp_header or "")
    if not _SECONDS.fullmatch(told):
        return b""
    near = abs(now.timestamp() - int(told)) <= auth.skew_seconds
    return told.encode() if near else b""


def _same(told: str, known: Sequence[str]) -> bool:
    """Whether it is one of them; the digests are compared, all of them, in constant time."""
    given = _digest(told)
    found = [hmac.compare_digest(given, _digest(each)) for each in known]
    return any(found)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _only(headers: Headers, name: str) -> str:
    """The one header of that name; "" when there is none, or more than one."""
    wanted = name.lower().encode()
    given = [value for each, value in headers if each == wanted]
    return given[0].decode("latin-1").strip() if len(given) == 1 else ""
