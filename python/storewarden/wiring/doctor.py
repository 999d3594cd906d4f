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
from storewarden.domain.errors import ContentMissing, StorewardenError
from storewarden.domain.maintenance.calendar import Calendar
from storewarden.flows.doctor import Check, Examination, LedgerProbe, RolloutsNow, examine
from storewarden.flows.doctor_rollouts import rollouts_now
from storewarden.flows.rollout_stop import KillSwitch
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
        rollouts=lambda: _rollouts(config, probe or partial(_schema, config)),
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


def _rollouts(config: SiteConfig, probe: LedgerProbe) -> RolloutsNow | None:
    """Only of a ledger that this release has written: opening an older one brings it forward."""
    from storewarden.adapters.ledger import open_ledger  # noqa: PLC0415 - costs 0.3 s
    from storewarden.adapters.ledger.peek import is_newest  # noqa: PLC0415
    from storewarden.wiring.secrets import ledger_password  # noqa: PLC0415

    if config.ledger_file is not None and not config.ledger_file.exists():
        return None
    try:
        schema = probe(config.ledger)
    except StorewardenError:
        return None  # the check of the ledger says so
    if not schema or not is_newest(schema):
        return None
    clock, password = SystemClock(), ledger_password(config)
    with open_ledger(config.ledger, clock=clock, password=password) as ledger:
        stopped = KillSwitch(ledger, config.state_dir)()
        return rollouts_now(ledger.rollouts, stopped, clock.now())


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
