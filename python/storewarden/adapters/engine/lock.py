# SPDX-License-Identifier: GPL-3.0-or-later
"""One controller per state directory.

Two engines on one database run the same work twice, so the lock is taken before
anything else and belongs to the kernel: it ends with the process, however that ends.
Beside it stands who holds it and where that one can be spoken to.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from storewarden.domain.errors import AdapterError, Refused

LOCK_NAME = "controller.lock"
_TRIES, _PAUSE = 5, 0.05  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds the lock; ``address`` is "" until that controller listens."""

    pid: int
    address: str = ""


class ControllerLock:
    """The lock of ``<folder>/controller.lock``, held until ``release`` or the process's end.

    ``whose`` names, for people, what may have one controller only.
    """

    def __init__(self, folder: Path, *, name: str = LOCK_NAME, whose: str = "state_dir") -> None:
        self.path = folder / name
        self._whose = whose
        self._handle: int | None = None

    def __enter__(self) -> Self:
        """Take it."""
        self.take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give it up."""
        self.release()

    def take(self) -> None:
        """Become the controller. Raises Refused, naming the process that already is."""
        handle = _opened(self.path)
        if not _locked(handle):
            holder = _read(handle)
            os.close(handle)
            raise Refused(
                f"another controller runs already (pid {holder.pid or 'unknown'})",
                where=str(self.path),
                hint=f"one controller per {self._whose}; stop that one first",
            )
        self._handle = handle
        self._write(Holder(pid=os.getpid()))

    def announce(self, address: str) -> None:
        """Tell others where this controller listens."""
        self._write(Holder(pid=os.getpid(), address=address))

    def release(self) -> None:
        """Give it up; the file stays, because removing it would let two others lock two files."""
        if self._handle is not None:
            with suppress(OSError):
                os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None

    def _write(self, holder: Holder) -> None:
        if self._handle is None:
            return
        text = json.dumps({"pid": holder.pid, "address": holder.address}).encode()
        os.pwrite(self._handle, text, 0)
        os.ftruncate(self._handle, len(text))


def holder_of(state_dir: Path) -> Holder | None:
    """The controller that runs now; None when none does. Takes the lock for a moment to know."""
    try:
        handle = os.open(state_dir / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AdapterError(
            f"cannot be read: {error.strerror}", where=str(state_dir / LOCK_NAME)
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(handle)
    else:
        return None
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise AdapterError(
            f"cannot be written: {error.strerror}", where=str(path), hint="set state_dir"
        ) from error


def _locked(handle: int) -> bool:
    """Whether it is ours now. Who only asks holds a shared lock for some microseconds."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        else:
            return True
    return False


def _read(handle: int) -> Holder:
    """What the holder wrote; it may be about to write it."""
    try:
        data = json.loads(os.pread(handle, 4096, 0))
        return Holder(pid=int(data["pid"]), address=str(data["address"]))
    except (ValueError, KeyError, TypeError, OSError):
        return Holder(pid=0)
