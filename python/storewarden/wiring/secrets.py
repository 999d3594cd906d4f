# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a site's secrets come from."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from storewarden.adapters.secrets import VaultSettings, open_secrets
from storewarden.ports.secrets import Secrets

if TYPE_CHECKING:
    from storewarden.config.site import SiteConfig


def site_secrets(config: SiteConfig, environ: Mapping[str, str] = os.environ) -> Secrets:
    """The site's secrets by reference; relative paths begin where storewarden.yml lies.

    Nothing is read and no vault is asked before a reference is.
    """
    return open_secrets(config.folder or Path.cwd(), environ, _vault(config))


def ledger_password(config: SiteConfig) -> Callable[[], str] | None:
    """What reads the password of the ledger's PostgreSQL user; None when no key names one."""
    reference = config.secrets.ledger_password
    if reference is None:
        return None
    secrets = site_secrets(config)
    return lambda: secrets.read(reference).reveal()


def _vault(config: SiteConfig) -> VaultSettings | None:
    vault = config.vault
    if not vault.url:
        return None
    return VaultSettings(
        url=vault.url,
        token_file=vault.token_file,
        role_id=vault.role_id,
        secret_id_file=vault.secret_id_file,
        approle_mount=vault.approle_mount,
        namespace=vault.namespace,
        ca_file=vault.ca_file,
        cache_seconds=vault.cache_seconds,
    )
