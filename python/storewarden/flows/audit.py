# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit a fleet: one question per host, every answer kept the moment it arrives.

Order matters here. Whatever can be refused is refused before anything is
started; what an earlier, killed audit left running is collected first; then each
host's findings go to the ledger as they come, so that neither Ctrl-C nor a full
disk loses a result that somebody waited for. A run is released only when all
its hosts are recorded: until then its files are the second copy, and the next
audit collects them.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction
from pathlib import Path

from storewarden.domain.baseline.control import Control, Severity
from storewarden.domain.baseline.drift import Drift, net
from storewarden.domain.baseline.finding import Audit, HostAudit
from storewarden.domain.baseline.score import na_shifted, score_audit
from storewarden.domain.baseline.waiver import DeviceFacts, Waiver, WaiverBook, expired
from storewarden.domain.errors import ConfigInvalid, Refused, StorewardenError
from storewarden.domain.estate.device import Device, Estate, read_estate
from storewarden.domain.estate.guard import ShrinkLimit, judge_estate
from storewarden.flows.audit_collect import LABEL_OWNER, Collected, Collector, Earlier
from storewarden.flows.audit_context import KIND, STEP, body_of
from storewarden.flows.audit_progress import Progress, Step, Watcher, unwatched
from storewarden.ports.clock import Clock
from storewarden.ports.content import Content
from storewarden.ports.inventory import Inventory
from storewarden.ports.ledger import Ledger
from storewarden.ports.reports import AuditReport
from storewarden.ports.runner import (
    FrozenInventory,
    LeaseMode,
    PlaybookRun,
    Runner,
    SecretFiles,
)

PLAYBOOK = "storewarden.ops.baseline_audit"
CONTROLS = "baseline_audit_controls"
SAMPLES = "baseline_ports_idle_samples"

type Interruption = Callable[[], AbstractContextManager[threading.Event]]
"""Opens a span in which Ctrl-C sets the event instead of raising."""

type WaiverSource = Callable[[Mapping[str, Severity], Sequence[DeviceFacts]], tuple[Waiver, ...]]
"""Reads the site's waivers, given the severities of the whole catalogue and the whole estate.

Raises ConfigInvalid for one that is malformed or covers nothing.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditParts:
    """What an audit works with.

    ``claim`` takes an audit for this process, False while another live process
    has it; ``zone_known`` tells whether a time zone of that name exists.
    """

    runner: Runner
    inventory: Inventory
    content: Content
    ledger: Ledger
    clock: Clock
    claim: Callable[[str], bool]
    interruption: Interruption
    zone_known: Callable[[str], bool]
    waivers: WaiverSource | None = None


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
class _Ready:
    """Everything known before the first host is touched."""

    id: str
    at: datetime
    controls: tuple[Control, ...]
    inventory: FrozenInventory
    devices: Mapping[str, Device]
    book: WaiverBook
    warnings: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(control.id for control in self.controls)

    @property
    def severities(self) -> dict[str, Severity]:
        return {control.id: control.severity for control in self.controls}


def run_audit(parts: AuditParts, request: AuditRequest, watch: Watcher = unwatched) -> AuditReport:
    """Audit the hosts of ``request`` and record them.

    Raises ConfigInvalid, Refused, ContentMissing, AdapterError or LedgerConflict
    before anything was started; afterwards what goes wrong is in the report.
    """
    _check_since(parts.ledger, request.since)
    ready = _prepare(parts, request)
    watch(Progress(step=Step.RESOLVED, audit=ready.id, total=len(ready.inventory.hosts)))
    Earlier(
        runner=parts.runner,
        ledger=parts.ledger,
        clock=parts.clock,
        devices=ready.devices,
        watch=watch,
    ).collect_all(parts.claim)
    before = parts.ledger.audit("last")
    parts.claim(ready.id)
    content = catalogue_digest(ready.controls)
    hosts = tuple(ready.inventory.hosts)
    parts.ledger.begin_audit(ready.id, ready.at, hosts, ready.names, content, scope=request.scope)
    collector = Collector(
        ledger=parts.ledger,
        clock=parts.clock,
        audit=ready.id,
        devices=ready.devices,
        wanted=ready.names,
        hosts=hosts,
        watch=watch,
    )
    with parts.interruption() as stop:
        collected = collector.run(
            parts.runner, _playbook_run(parts.ledger, request, ready), stop,
            shard_size=request.shard_size, at_once=request.at_once,
        )  # fmt: skip
    audit = Audit(
        id=ready.id, at=ready.at, hosts=collected.hosts, controls=ready.names, content=content
    )
    report = _report(request, ready, audit, collected)
    report = _compared(parts.ledger, request, report, before)
    report = _remember(parts.ledger, report)
    watch(Progress(step=Step.ENDED, audit=ready.id, total=len(hosts), done=len(hosts)))
    return report


def _prepare(parts: AuditParts, request: AuditRequest) -> _Ready:
    controls = parts.content.controls(request.selection, extra=request.extra_controls)
    everything = _resolve(parts.inventory, request, limit="")
    estate = read_estate(everything.hosts, parts.zone_known)
    now = parts.clock.now()
    _guard(parts.ledger, request, len(everything.hosts), now)
    chosen = everything
    if request.limit:
        chosen = everything.only(tuple(_resolve(parts.inventory, request, request.limit).hosts))
    facts = _facts(everything, estate)
    waivers = _waivers(parts, request, facts)
    book = WaiverBook(waivers=waivers, devices=facts, now=now, zone=request.zone)
    return _Ready(
        id=audit_id(now),
        at=now,
        controls=controls,
        inventory=chosen,
        devices={device.name: device for device in estate.devices},
        book=book,
        warnings=_warnings(request, estate, chosen, book),
    )


def audit_id(at: datetime) -> str:
    """An id that sorts by time: ``audit-20260302T013000.123Z``."""
    return f"audit-{at.astimezone(UTC):%Y%m%dT%H%M%S}.{at.microsecond // 1000:03d}Z"


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


def _facts(inventory: FrozenInventory, estate: Estate) -> dict[str, DeviceFacts]:
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


def _warnings(
    request: AuditRequest, estate: Estate, chosen: FrozenInventory, book: WaiverBook
) -> tuple[str, ...]:
    lines = [
        f"{waiver.source}: the waiver of {waiver.control} expired on {waiver.expires}"
        for waiver in expired(book.waivers, book.now, book.zone)
    ]
    if request.fixed is None:
        lines += [str(finding) for finding in estate.findings if finding.host in chosen.hosts]
    return tuple(lines)


def _check_since(ledger: Ledger, since: str) -> None:
    """A ``--since`` that means nothing is told before an hour of auditing, not after."""
    if since:
        ledger.drift(since=since)


def _playbook_run(ledger: Ledger, request: AuditRequest, ready: _Ready) -> PlaybookRun:
    hosts = {
        name: _with_samples(ledger, name, variables)
        for name, variables in ready.inventory.hosts.items()
    }
    return PlaybookRun(
        playbook=PLAYBOOK,
        inventory=replace(ready.inventory, hosts=hosts),
        variables={**request.variables, CONTROLS: list(ready.names)},
        timeout=request.timeout,
        forks=request.forks,
        lease=LeaseMode.SHARED,
        secrets=request.secrets,
        known_hosts=request.known_hosts,
        collections=request.collections,
        owner=LABEL_OWNER,
        label=ready.id,
    )


def _with_samples(
    ledger: Ledger, host: str, variables: Mapping[str, object]
) -> Mapping[str, object]:
    """The host's variables with the port counters of earlier audits, which only we know."""
    samples = [dict(sample) for sample in ledger.port_samples(host)]
    return {**variables, SAMPLES: samples} if samples else variables


def _report(
    request: AuditRequest, ready: _Ready, audit: Audit, collected: Collected
) -> AuditReport:
    def waived(host: HostAudit, finding: object) -> bool:
        return ready.book.decide(host.host, finding).waived  # type: ignore[arg-type]

    return AuditReport(
        audit=audit,
        controls=ready.controls,
        scores=score_audit(audit, ready.severities, waived),
        waivers=ready.book,
        drift=collected.drift,
        ended=collected.ended,
        interrupted=collected.interrupted,
        unrecorded=collected.unrecorded,
        trouble=collected.trouble,
        warnings=ready.warnings,
        site=request.site,
        scope=request.scope,
        limit=request.limit,
        selected=bool(request.selection),
        by=request.by,
        version=request.version,
        zone=request.zone,
        bar=request.bar,
    )


def _compared(
    ledger: Ledger, request: AuditRequest, report: AuditReport, before: Audit | None
) -> AuditReport:
    """The report with what it is compared to: the audit before, or ``--since``."""
    if before is None:
        return replace(report, first=True)
    warnings = report.warnings + _na_warning(report, before)
    drift: tuple[Drift, ...] = report.drift
    if request.since not in ("", "last") and not report.unrecorded:
        drift = net(ledger.drift(since=request.since))
    since = before.id if request.since in ("", "last") else request.since
    return replace(report, drift=drift, since=since, warnings=warnings)


def _remember(ledger: Ledger, report: AuditReport) -> AuditReport:
    """Record what the audit was about, so that its report can be made again."""
    if report.unrecorded:
        return report
    try:
        ledger.append(KIND, body_of(report), run=report.audit.id, step=STEP)
    except StorewardenError as error:
        return replace(report, unrecorded=error)
    return report


def _na_warning(report: AuditReport, before: Audit) -> tuple[str, ...]:
    """A share of "not applicable" that moved: controls may have gone silently off."""
    known = {control.id: control.severity for control in report.controls}
    if set(before.controls) != set(known):
        return ()
    then, now = score_audit(before, known).fleet.score, report.scores.fleet.score
    if not na_shifted(then.counts, now.counts):
        return ()
    counts = f"{then.counts.na} of {then.counts.total} then, {now.counts.na} of {now.counts.total}"
    return (f"the share of 'not applicable' moved by more than 10 points: {counts} now",)
