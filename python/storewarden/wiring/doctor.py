# SPDX-License-Identifier: GPL-3.0-or-later
"""What `storewarden doctor` looks with: this machine, and Ansible for the inventory."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from storewarden.adapters.ansible import collection
from storewarden.adapters.ansible.inventory import AnsibleInventory
from storewarden.adapters.clock import SystemClock
from storewarden.adapters.machine import LocalMachine
from storewarden.config import SiteConfig
from storewarden.domain.change.people import Person
from storewarden.domain.errors import ContentMissing
from storewarden.domain.maintenance.calendar import Calendar
from storewarden.flows.doctor import Check, Examination, LedgerProbe, examine
from storewarden.ports.machine import Places


def examine_machine(
    config: SiteConfig, environ: Mapping[str, str], cwd: Path, probe: LedgerProbe | None = None
) -> tuple[Check, ...]:
    """All checks of this machine for the site; reads only."""
    secrets = {f"secrets.{name}": path for name, path in config.secrets.files.items()}
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
        probe=probe or partial(_schema, config),
        inventory=AnsibleInventory(
            collections=config.ansible.collections, pass_env=config.ansible.pass_env
        ),
        zone_known=zoneinfo.available_timezones().__contains__,
        tickets=lambda: _tickets(config, environ),
        windows=lambda: _windows(config),
        people=lambda: _people(config),
        approvals=config.changes.rules,
    )
    return examine(wanted, LocalMachine(environ=environ, cwd=cwd, ours=_ours()))


def _ours() -> Path | None:
    try:
        return collection.search_root()
    except ContentMissing:
        return None


def _schema(config: SiteConfig, place: Path | str) -> str:
    from storewarden.adapters.ledger.peek import schema_of, schema_on  # noqa: PLC0415 - 0.3 s
    from storewarden.wiring.secrets import ledger_password  # noqa: PLC0415

    if isinstance(place, Path):
        return schema_of(place)
    return schema_on(place, ledger_password(config))


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


def _windows(config: SiteConfig) -> Calendar | None:
    """This year and the next: no question about work reaches further in earnest."""
    from storewarden.wiring.windows import read_calendar  # noqa: PLC0415 - costs 0.1 s

    if config.windows.windows_dir is None:
        return None
    year = SystemClock().now().year
    return read_calendar(config, (year, year + 1))


def _people(config: SiteConfig) -> tuple[Person, ...] | None:
    from storewarden.wiring.people import people_of  # noqa: PLC0415

    return people_of(config, SystemClock()).everybody() if config.people.file else None
