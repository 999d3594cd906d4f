# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the estate comes from: any Ansible inventory, resolved once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from storewarden.ports.runner import FrozenInventory


class Inventory(Protocol):
    """Resolves inventory sources with Ansible itself."""

    def resolve(
        self,
        sources: Sequence[Path | str],
        *,
        limit: str = "",
        vault_password: Path | None = None,
    ) -> FrozenInventory:
        """All hosts of the sources, or those of ``limit``, with groups and variables.

        Raises ConfigInvalid for a source that does not parse (never a silent empty
        inventory) and for a limit that matches nothing.
        """
        ...
