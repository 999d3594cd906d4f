# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents that changes refer to: one file each, named by the digest of its bytes.

A name that is a digest cannot be overwritten with something else, and whoever
alters the file is found out by whoever reads it. A document is under its name
only when all of it is on the disk: written aside, synced, then renamed.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storewarden.domain.errors import AdapterError, LedgerConflict

_DIGEST = re.compile(r"[0-9a-f]{64}")


class EvidenceFolder:
    """The documents under ``folder``, which is made (0700) with the first of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """Store; the hex sha256. On the disk when it returns."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        if self._whole(path, digest):
            return digest
        with _translated(path):
            self._make(path.parent)
            _write(path, content)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes. Raises LedgerConflict when they are gone or altered."""
        path = self._path(digest)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise LedgerConflict(
                "the document is gone", where=str(path), hint="restore it from a backup"
            ) from None
        except OSError as failure:
            raise _foreign(failure, path) from failure
        if hashlib.sha256(content).hexdigest() != digest:
            raise LedgerConflict(
                "the document was altered: its bytes do not fit its name",
                where=str(path),
                hint="keep it, it may be evidence; restore it from a backup",
            )
        return content

    def has(self, digest: str) -> bool:
        """Whether there is a file of that name, whatever is in it."""
        return self._path(digest).is_file()

    def remove(self, digest: str) -> bool:
        """Delete a document; False when there was none. Only after an approved deletion."""
        path = self._path(digest)
        with _translated(path):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            _sync(path.parent)
        return True

    def digests(self) -> tuple[str, ...]:
        """The names of all documents, sorted."""
        found = (path.name for path in self._folder.glob("??/*") if _DIGEST.fullmatch(path.name))
        return tuple(sorted(found))

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise LedgerConflict(f"{digest!r} is no digest of a document", where=str(self._folder))
        return self._folder / digest[:2] / digest

    def _whole(self, path: Path, digest: str) -> bool:
        if not path.is_file():
            return False
        try:
            self.get(digest)
        except LedgerConflict:  # altered: what is put now is the right one
            return False
        return True

    def _make(self, folder: Path) -> None:
        for each in (self._folder, folder):
            if not each.is_dir():
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
                _sync(each.parent)


def _write(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # 0600
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Make names in ``folder`` outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        raise _foreign(failure, path) from failure


def _foreign(failure: OSError, path: Path) -> AdapterError:
    return AdapterError(
        f"the document cannot be kept or read: {failure.strerror}",
        where=str(path),
        hint="check free space and the owner of the folder",
        retryable=True,
    )
