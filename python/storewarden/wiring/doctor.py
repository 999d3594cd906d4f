# SPDX-License-Identifier: GPL-3.0-or-later
"""What `storewarden doctor` looks with: this machine, and Ansible for the inventory."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from pathlib import Path

from storewarden.adapters.ansible import collection
from storewarden.adapters.ansible.inventory import AnsibleInventory
from storewarden.adapters.machine import LocalMachine
from storewarden.config import SiteConfig
from storewarden.domain.errors import ContentMissing
from storewarden.flows.doctor import Check, Examination, LedgerProbe, examine
from storewarden.ports.machine import Places


def examine_machine(
    config: SiteConfig, environ: Mapping[str, str], cwd: Path, probe: LedgerProbe | None = None
) -> tuple[Check, ...]:
    """All checks of this machine for the site; reads only."""
    secrets = {
        f"secrets.{name}": path for name, path in config.secrets.model_dump().items() if path
    }
    places = Places(
        state_dir=config.state_dir,
        ledger=config.ledger,
        known_hosts=config.ssh.known_hosts,
        private_key=config.ssh.private_key,
        secrets=secrets,
    )
    wanted = Examination(
        places=places,
        sources=config.inventory,
        vault_password=config.secrets.vault_password_file,
        probe=probe or _schema,
        inventory=AnsibleInventory(
            collections=config.ansible.collections, pass_env=config.ansible.pass_env
        ),
        zone_known=zoneinfo.available_timezones().__contains__,
        tickets=lambda: _tickets(config, environ),
    )
    return examine(wanted, LocalMachine(environ=environ, cwd=cwd, ours=_ours()))


def _ours() -> Path | None:
    try:
        return collection.search_root()
    except ContentMissing:
        return None


def _schema(path: Path) -> str:
    from storewarden.adapters.ledger.peek import schema_of  # noqa: PLC0415 - costs 0.3 s

    return schema_of(path)


def _tickets(config: SiteConfig, environ: Mapping[str, str]) -> str:
    from storewarden.wiring.secrets import site_secrets  # noqa: PLC0415 - costs 0.3 s
    from storewarden.wiring.tickets import ticket_system  # noqa: PLC0415

    system = ticket_system(config, site_secrets(config, environ))
    if system is None:
        return ""
    try:
        system.check()
    finally:
        system.shut()
    return system.name
