# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory that is as you say, without Ansible."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from storewarden.domain.errors import ConfigInvalid, StorewardenError
from storewarden.ports.runner import FrozenInventory


class FixedInventory:
    """The Inventory port with one answer, or one error.

    A `limit` may be host and group names separated by commas. `asked` are the calls so far:
    sources and vault password file.
    """

    def __init__(self, answer: FrozenInventory | StorewardenError) -> None:
        self.answer = answer
        self.asked: list[tuple[tuple[Path | str, ...], Path | None]] = []

    def resolve(
        self,
        sources: Sequence[Path | str],
        *,
        limit: str = "",
        vault_password: Path | None = None,
    ) -> FrozenInventory:
        """The answer cut down to `limit`; ConfigInvalid when that matches nothing."""
        self.asked.append((tuple(sources), vault_password))
        if isinstance(self.answer, StorewardenError):
            raise self.answer
        if not limit:
            return self.answer
        words = limit.split(",")
        members = {host for word in words for host in self.answer.groups.get(word, (word,))}
        names = [host for host in self.answer.hosts if host in members]
        if not names:
            raise ConfigInvalid(f"the limit {limit!r} matches no host", where=self.answer.source)
        return self.answer.only(names)
