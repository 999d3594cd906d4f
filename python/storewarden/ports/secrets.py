# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets come by reference: ``file:PATH``, ``env:NAME`` or ``vault:MOUNT/PATH#FIELD``.

Only the reference is ever stored, logged or shown.
"""

from __future__ import annotations

from typing import Protocol


class Secret:
    """A secret that does not show itself by accident; ``reveal`` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        """Never the secret."""
        return "Secret(***)"

    __str__ = __repr__


class Secrets(Protocol):
    """Reads secrets by reference."""

    def read(self, reference: str) -> Secret:
        """Raises ConfigInvalid for a reference that means nothing or leads nowhere (never its
        value), AdapterError(retryable) when the vault is away."""
        ...
