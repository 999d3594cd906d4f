# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in memory: by reference, as everywhere, and away when told to be."""

from __future__ import annotations

from collections.abc import Mapping

from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.secrets import Secret


class MemorySecrets:
    """``values`` maps whole references to secrets; ``reads`` is what was asked for, in order."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.values = dict(values or {})
        self.reads: list[str] = []
        self.away = False

    def read(self, reference: str) -> Secret:
        """The secret; ConfigInvalid for an unknown reference, AdapterError while ``away``."""
        self.reads.append(reference)
        if self.away:
            raise AdapterError("the vault cannot be reached", where="memory", retryable=True)
        if reference not in self.values:
            raise ConfigInvalid("leads to no secret", where=reference)
        return Secret(self.values[reference])
