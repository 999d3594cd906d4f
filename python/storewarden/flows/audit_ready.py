# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything an audit can be refused for, decided before a host is touched.

An hour of auditing that ends with "no such waiver" is an hour lost, so the
controls, the inventory, its size, the estate's variables and the waivers are
read and judged first.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from storewarden.domain.baseline.control import Control, Severity
from storewarden.domain.baseline.waiver import DeviceFacts, Waiver, WaiverBook, expired
from storewarden.domain.errors import ConfigInvalid, Refused, StorewardenError
from storewarden.domain.estate.device import Device, Estate, EstateFinding, read_estate
from storewarden.domain.estate.guard import ShrinkLimit, judge_estate
from storewarden.ports.clock import Clock
from storewarden.ports.content import Content
from storewarden.ports.inventory import Inventory
from storewarden.ports.ledger import Ledger
from storewarden.ports.reports import Remark
from storewarden.ports.runner import FrozenInventory, Runner, SecretFiles

type Interruption = Callable[[], AbstractContextManager[threading.Event]]
"""Opens a span in which Ctrl-C sets the event instead of raising."""

type WaiverSource = Callable[[Mapping[str, Severity], Sequence[DeviceFacts]], tuple[Waiver, ...]]
"""Reads the site's waivers, given the severities of the whole catalogue and the whole estate.

Raises ConfigInvalid for one that is malformed or covers nothing.
"""


type Contact = Callable[[str, Mapping[str, object]], None]
"""Told every report of every host: it may carry more than was asked for (undo records). Never
raises, since the audit must go on."""


def no_contact(_host: str, _report: Mapping[str, object]) -> None:
    """Looks at nothing else."""


class Claims(Protocol):
    """Which audits somebody alive is driving."""

    def take(self, audit: str) -> bool:
        """True when ``audit`` is the caller's now; False while anybody alive has it."""
        ...

    def drop(self, audit: str) -> None:
        """Give it up."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditParts:
    """What an audit works with.

    ``zone_known`` tells whether a time zone of that name exists.
    """

    runner: Runner
    inventory: Inventory
    content: Content
    ledger: Ledger
    clock: Clock
    claims: Claims
    interruption: Interruption
    zone_known: Callable[[str], bool]
    waivers: WaiverSource | None = None
    contact: Contact = no_contact


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRequest:
    """What to audit and how.

    ``fixed`` replaces the inventory sources (this machine alone); ``selection``
    are control ids and patterns, empty for all; ``bar`` is a share, 0.95 for 95 %.
    """

    sources: tuple[Path | str, ...] = ()
    fixed: FrozenInventory | None = None
    limit: str = ""
    selection: tuple[str, ...] = ()
    extra_controls: tuple[Path, ...] = ()
    variables: Mapping[str, object] = field(default_factory=dict)
    since: str = ""
    bar: Fraction | None = None
    accept_shrunk: bool = False
    shrink: ShrinkLimit = field(default_factory=ShrinkLimit)
    site: str = ""
    by: str = ""
    version: str = ""
    zone: tzinfo = UTC
    shard_size: int = 50
    at_once: int | None = None
    forks: int = 20
    timeout: timedelta = timedelta(minutes=15)
    secrets: SecretFiles = field(default_factory=SecretFiles)
    known_hosts: Path | None = None
    collections: tuple[Path, ...] = ()

    @property
    def scope(self) -> str:
        """The inventory in words."""
        if self.fixed is not None:
            return self.fixed.source
        return ", ".join(str(source) for source in self.sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Everything known before the first host is touched."""

    at: datetime
    controls: tuple[Control, ...]
    inventory: FrozenInventory
    devices: Mapping[str, Device]
    book: WaiverBook
    remarks: tuple[Remark, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(control.id for control in self.controls)

    @property
    def severities(self) -> dict[str, Severity]:
        return {control.id: control.severity for control in self.controls}


def prepare(parts: AuditParts, request: AuditRequest) -> Ready:
    """Refuse what can be refused, and gather the rest.

    Raises ConfigInvalid, Refused, ContentMissing, AdapterError or LedgerConflict.
    """
    controls, everything = _asked(parts, request)
    estate = read_estate(everything.hosts, parts.zone_known)
    now = parts.clock.now()
    _guard(parts.ledger, request, len(everything.hosts), now)
    chosen = everything
    if request.limit:
        chosen = everything.only(tuple(_resolve(parts.inventory, request, request.limit).hosts))
    facts = device_facts(everything, estate)
    waivers = _waivers(parts, request, facts)
    book = WaiverBook(waivers=waivers, devices=facts, now=now, zone=request.zone)
    return Ready(
        at=now,
        controls=controls,
        inventory=chosen,
        devices={device.name: device for device in estate.devices},
        book=book,
        remarks=_remarks(request, estate, chosen, book),
    )


def _asked(parts: AuditParts, request: AuditRequest) -> tuple[tuple[Control, ...], FrozenInventory]:
    """The controls and the whole inventory; two programs answer, and start at the same time.

    The inventory is this thread's: Ctrl-C is heard here, and ends a script that takes its time.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        chosen, extra = request.selection, request.extra_controls
        controls = pool.submit(parts.content.controls, chosen, extra=extra)
        try:
            hosts = _resolve(parts.inventory, request, limit="")
        except StorewardenError:
            controls.result()  # what is wrong with the controls is told first
            raise
        return controls.result(), hosts


def catalogue_digest(controls: Sequence[Control]) -> str:
    """Hex sha256 over the ids and digests of the controls, in id order."""
    lines = "".join(f"{c.id} {c.digest}\n" for c in sorted(controls, key=lambda c: c.id))
    return hashlib.sha256(lines.encode()).hexdigest()


def _resolve(inventory: Inventory, request: AuditRequest, limit: str) -> FrozenInventory:
    if request.fixed is not None:
        return request.fixed
    if not request.sources:
        raise ConfigInvalid(
            "no inventory is given",
            where="inventory",
            hint="use -i, set inventory in storewarden.yml, or --local for this machine",
        )
    secret = request.secrets.vault_password
    return inventory.resolve(request.sources, limit=limit, vault_password=secret)


def _guard(ledger: Ledger, request: AuditRequest, count: int, now: datetime) -> None:
    """Refuse an inventory that is empty or lost hosts since it was last seen."""
    if request.fixed is not None:
        return
    decision = judge_estate(
        ledger.last_host_count(request.scope),
        count,
        request.shrink,
        acknowledged=request.accept_shrunk,
    )
    if not decision.allowed:
        hint = "--accept-shrunk when that is right" if count else "look at the inventory's source"
        raise Refused(decision.reason, where=request.scope, hint=hint)
    ledger.remember_host_count(request.scope, count, now)


def device_facts(inventory: FrozenInventory, estate: Estate) -> dict[str, DeviceFacts]:
    """What waivers can ask of every device of the estate, by host."""
    groups: dict[str, set[str]] = {}
    for group, members in inventory.groups.items():
        for member in members:
            groups.setdefault(member, set()).add(group)
    return {
        device.name: DeviceFacts(
            host=device.name,
            groups=frozenset(groups.get(device.name, ())),
            store=device.store,
            region=device.region,
            role=device.role,
        )
        for device in estate.devices
    }


def _waivers(
    parts: AuditParts, request: AuditRequest, facts: Mapping[str, DeviceFacts]
) -> tuple[Waiver, ...]:
    """The site's waivers; they speak of the estate, so this machine alone has none."""
    if parts.waivers is None or request.fixed is not None:
        return ()
    catalogue = parts.content.controls((), extra=request.extra_controls)
    severities = {control.id: control.severity for control in catalogue}
    return parts.waivers(severities, tuple(facts.values()))


def _remarks(
    request: AuditRequest, estate: Estate, chosen: FrozenInventory, book: WaiverBook
) -> tuple[Remark, ...]:
    over = [
        Remark(
            key="waiver_expired",
            facts={
                "source": waiver.source,
                "control": waiver.control,
                "expires": waiver.expires.isoformat(),
            },
        )
        for waiver in expired(book.waivers, book.now, book.zone)
    ]
    if request.fixed is not None:
        return tuple(over)
    return (*over, *(_flaw(f) for f in estate.findings if f.host in chosen.hosts))


def _flaw(finding: EstateFinding) -> Remark:
    facts = {
        "host": finding.host,
        "variable": finding.variable,
        "value": finding.value,
        "other": finding.other,
    }
    return Remark(key=finding.flaw.value, facts={k: v for k, v in facts.items() if v})
