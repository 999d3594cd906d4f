# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups at one site: its policies, its places, its lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from storewarden.adapters.config_git import GitConfigs
from storewarden.adapters.devices import DeviceLogin, NetmikoDevices
from storewarden.config.backup_policy import load_policies
from storewarden.domain.backup.catalog import Target
from storewarden.domain.backup.device_config import Platform
from storewarden.domain.backup.due import has_chain
from storewarden.domain.backup.night import Hub
from storewarden.domain.backup.policy import Method, with_controller
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.backup_plan import BackupPlan, Lines, PlanParts, plan_backups
from storewarden.ports.devices import DeviceAccess
from storewarden.wiring.backup_own import own_record
from storewarden.wiring.estate_source import EstateSource
from storewarden.wiring.secrets import site_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from storewarden.config.backup import BackupConfig
    from storewarden.domain.backup.policy import Policy
    from storewarden.domain.estate.device import Device
    from storewarden.ports.secrets import Secret, Secrets
    from storewarden.wiring.site import Site


_CHAINS = timedelta(days=45)  # a month, and a fortnight of trouble
_AT_ONCE = 500
_FIRST, _LAST = date(1970, 1, 1), date(2199, 12, 31)


def policies(site: Site) -> tuple[Policy, ...]:
    """The site's backup policies. Raises ConfigInvalid, also when the settings name none."""
    place = site.config.backup.policies
    if place is None:
        raise ConfigInvalid(
            "there are no backup policies",
            where="backup.policies",
            hint="name a file or a folder; docs/reference/backup-policies.md shows one",
        )
    found = load_policies(place, site.config.backup.locations)
    return tuple(own_record(site.config, each) for each in found)


def today(site: Site) -> date:
    """The day at the site."""
    return site.clock.now().astimezone(ZoneInfo(site.config.site.timezone)).date()


def planned(site: Site, night: date, host: str = "") -> BackupPlan:
    """What is taken in the night that begins on that day, of one host if it is named. The night is
    planned whole all the same. Raises ConfigInvalid, also for a host that there is not."""
    found = policies(site)
    estate = EstateSource(site)()
    devices = with_controller(estate.devices, found)
    home = ZoneInfo(site.config.site.timezone)
    groups = groups_by_host(estate.inventory.groups)
    if host and all(each.name != host for each in devices):
        raise ConfigInvalid("there is no such host in the inventory", where=host)
    plan = plan_backups(
        PlanParts(
            devices=devices,
            policies=found,
            groups=lambda host: groups.get(host, ()),
            zone=lambda device: ZoneInfo(device.tz) if device.tz else home,
            lines=lines_of(site.config.backup),
            chain=_chain(site, devices, found, groups),
        ),
        night,
    )
    return plan.only(host) if host else plan


def _chain(
    site: Site,
    devices: Iterable[Device],
    found: Iterable[Policy],
    groups: Mapping[str, tuple[str, ...]],
) -> Callable[[str, str], bool]:
    """Whether there is something to build upon. Of a site without a ledger nothing is known, and a
    plan makes none."""
    if not site.has_ledger():
        return lambda _host, _policy: True
    mine = [(device, tuple(groups.get(device.name, ()))) for device in devices]
    good = chained(
        site,
        [
            Target(host=device.name, policy=each.id)
            for each in found
            for device, there in mine
            if each.binds(device, there)
        ],
    )
    return lambda host, policy: (host, policy) in good


def chained(site: Site, targets: Sequence[Target]) -> frozenset[tuple[str, str]]:
    """Host and policy of those that have something to build upon. Of which nothing came for longer
    than the longest step, nothing is built upon; some hundreds are read at a time."""
    since, good = site.clock.now() - _CHAINS, set[tuple[str, str]]()
    for some in batched(targets, _AT_ONCE):
        known = site.ledger.backups.catalogs(since=since, targets=some)
        good |= {(each.host, each.policy) for each, there in known.items() if has_chain(there)}
    return frozenset(good)


def lines_of(config: BackupConfig) -> Lines:
    """Hubs and lines as planning needs them."""
    hubs = {
        name: Hub(name=name, at_once=each.at_once, bandwidth=each.kib)
        for name, each in config.hubs.items()
    }
    hub_of = {region: name for name, each in config.hubs.items() for region in each.regions}
    return Lines(hubs=hubs, hub_of=hub_of, line=config.lines.kib)


def night_of(text: str) -> date:
    """A day as people write it: 2026-11-22. Raises ConfigInvalid."""
    try:
        found = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        found = date.max
    if not _FIRST <= found <= _LAST:
        raise ConfigInvalid(f"{text} is no day", where="--night", hint="as 2026-11-22")
    return found


_PLATFORMS = {"ios": Platform.CISCO_IOS, "ce": Platform.HUAWEI_VRP, "vrp": Platform.HUAWEI_VRP}


def accesses(site: Site, hosts: Sequence[str] = ()) -> tuple[DeviceAccess, ...]:
    """The devices whose configuration is to be read: those that a policy of the method ``network``
    binds, or of these the ones that are named. Raises ConfigInvalid for a name that is none."""
    wanted = [each for each in policies(site) if each.method is Method.NETWORK]
    estate = EstateSource(site)()
    groups = groups_by_host(estate.inventory.groups)
    bound = [
        device.name
        for device in estate.devices
        if any(each.selector.fits(device, groups.get(device.name, ())) for each in wanted)
    ]
    if not bound:
        raise ConfigInvalid("no policy of method network binds any host", where="backup.policies")
    for name in hosts:
        if name not in bound:
            raise ConfigInvalid(
                "no policy of method network binds it",
                where=name,
                hint="storewarden backup plan shows what binds which host",
            )
    variables = estate.inventory.hosts
    return tuple(access_of(name, variables[name]) for name in bound if not hosts or name in hosts)


def access_of(name: str, variables: Mapping[str, object]) -> DeviceAccess:
    """How a device is reached, from its variables in the inventory."""
    system = _text(variables, "ansible_network_os").rpartition(".")[2]
    port = _text(variables, "ansible_port") or variables.get("ansible_port", 22)
    if isinstance(port, str) and port.isascii() and port.isdigit():
        port = int(port)
    if not isinstance(port, int):
        raise ConfigInvalid("ansible_port is no number", where=name)
    return DeviceAccess(
        device=name,
        address=_text(variables, "ansible_host") or name,
        platform=_PLATFORMS.get(system, Platform.GENERIC),
        port=port,
        user=_text(variables, "ansible_user"),
        command=_text(variables, "sw_config_command"),
    )


def _text(variables: Mapping[str, object], name: str) -> str:
    found = variables.get(name)
    if isinstance(found, Mapping):
        found = found.get("__ansible_unsafe")
    return found if isinstance(found, str) else ""


def platform_of(site: Site, device: str) -> Platform:
    """In whose language a device's configuration is; GENERIC for one that left the inventory."""
    variables = EstateSource(site)().inventory.hosts.get(device)
    return Platform.GENERIC if variables is None else access_of(device, variables).platform


def device_store(site: Site) -> GitConfigs:
    """Where configurations are kept."""
    return GitConfigs(device_folder(site))


def device_folder(site: Site) -> Path:
    """The folder of all configurations, one below it for each device."""
    folder = site.config.backup.devices.folder or site.config.state_dir / "configurations"
    return folder.absolute()


def running_config(site: Site, device: str) -> str:
    """What runs on a device now. Raises ConfigInvalid and AdapterError."""
    (access,) = accesses(site, [device])
    return reader(site).read(access)


def reader(site: Site) -> NetmikoDevices:
    """The way to network devices. Raises ConfigInvalid and AdapterError for its secrets."""
    config, secrets = site.config.backup.devices, site_secrets(site.config)
    return NetmikoDevices(
        DeviceLogin(
            user=config.user or "",
            password=_secret(secrets, config.password),
            enable=_secret(secrets, config.enable),
            private_key=site.config.ssh.private_key,
            known_hosts=site.config.ssh.known_hosts,
            timeout=timedelta(seconds=config.timeout_seconds),
        )
    )


def _secret(secrets: Secrets, reference: str | None) -> Secret | None:
    return None if reference is None else secrets.read(reference)


def groups_by_host(groups: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Host -> the inventory groups that it is in."""
    found: dict[str, list[str]] = {}
    for name, members in groups.items():
        for member in members:
            found.setdefault(member, []).append(name)
    return {host: tuple(names) for host, names in found.items()}
