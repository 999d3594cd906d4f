# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets by reference: ``file:PATH``, ``env:NAME``, ``vault:MOUNT/PATH#FIELD``.

A reference is read when it is needed and not before, so that a site without a vault never
asks one, and a secret that was changed is found without a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from storewarden.adapters.secrets.local import read_file, read_variable
from storewarden.adapters.secrets.vault import Vault, VaultSettings
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.secrets import Secret

__all__ = ["References", "Vault", "VaultSettings", "open_secrets"]


class _Vault(Protocol):
    def read(self, place: str) -> Secret:
        """The secret at ``MOUNT/PATH#FIELD``."""


class References:
    """The ``Secrets`` of a site."""

    def __init__(self, folder: Path, environ: Mapping[str, str], vault: _Vault | None) -> None:
        """``folder`` is where relative paths begin; ``vault`` None: the site has none."""
        self._folder = folder
        self._environ = environ
        self._vault = vault

    def read(self, reference: str) -> Secret:
        """The secret. Raises ConfigInvalid for a reference that means nothing or leads nowhere,
        AdapterError when the vault is away (retryable) or refuses us."""
        scheme, _, place = reference.partition(":")
        if scheme == "file" and place:
            return read_file(place, self._folder, self._environ)
        if scheme == "env" and place:
            return read_variable(place, self._environ)
        if scheme == "vault" and place:
            return self._from_vault(place, reference)
        # What stands here may be the secret itself: it is not repeated.
        raise ConfigInvalid(
            "is no reference to a secret",
            where="a key that takes a secret",
            hint="write file:PATH, env:NAME or vault:MOUNT/PATH#FIELD",
        )

    def _from_vault(self, place: str, reference: str) -> Secret:
        if self._vault is None:
            raise ConfigInvalid(
                "this site has no vault", where=reference, hint="set vault.url in storewarden.yml"
            )
        return self._vault.read(place)


def open_secrets(
    folder: Path, environ: Mapping[str, str], vault: VaultSettings | None = None
) -> References:
    """The secrets of a site; nothing is read or asked yet."""
    return References(folder, environ, Vault(vault) if vault else None)
