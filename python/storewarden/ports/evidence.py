# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents that changes refer to, kept by the digest of their bytes."""

from __future__ import annotations

from typing import Protocol


class EvidenceStore(Protocol):
    """Content-addressed: the same bytes are kept once, and reading checks the digest."""

    def put(self, content: bytes) -> str:
        """Store; the hex sha256. On the disk when it returns."""
        ...

    def get(self, digest: str) -> bytes:
        """The bytes. Raises LedgerConflict when they are gone or altered."""
        ...
