# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking ahead at a rollout: its waves, their dates, its deadlines. Nothing is recorded.

It needs the inventory, the calendars and (where one is named) the change, and asks no host. The
plan itself is the one that a start would freeze: same membership, same order, same digest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from storewarden.domain.capacity.groups import (
    POS_ROLES,
    groups_of,
    members_of,
    needs_consent,
)
from storewarden.domain.change.record import Change, Kind
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.estate.device import Device, Estate, read_estate
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.interval import Interval
from storewarden.domain.maintenance.judge import Question, Reason, judge
from storewarden.domain.rollout import schedule as scheduling
from storewarden.domain.rollout.deadlines import (
    Circumstances,
    RiskClass,
    Works,
    judge_deadlines,
    loosened,
)
from storewarden.domain.rollout.exposure import too_slow
from storewarden.domain.rollout.plan import Labels, Plan, plan
from storewarden.domain.rollout.schedule import Schedule, needs, schedule, undo_by_wave
from storewarden.domain.rollout.spec import RolloutSpec, Soak
from storewarden.flows.rollout_change import OPERATIONS, operation
from storewarden.flows.rollout_clock import PlannedClock
from storewarden.ports.clock import Clock
from storewarden.ports.inventory import Inventory
from storewarden.ports.rollout_reports import LaneTold, RolloutPlanReport, StoreTale
from storewarden.ports.runner import FrozenInventory

_SHOWN_STUCK = 5  # stores whose windows are explained


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlanParts:
    """What looking ahead takes. ``almanac`` reads the calendars; ``works`` says on which days
    people work; ``change`` finds a change by its number."""

    inventory: Inventory
    clock: Clock
    almanac: Callable[[], Almanac]
    zone_known: Callable[[str], bool]
    works: Callable[[], Works]
    change: Callable[[str], Change | None]
    pos_roles: frozenset[str] = POS_ROLES


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlanRequest:
    """One question.

    Without ``change`` the hosts are those of ``limit`` (all of the inventory without); with it
    they are the change's, cut down to ``limit``. ``emergency`` and ``soak`` replace what the file
    says. ``start`` is from when on it is planned (None: now). ``risk`` counts without a change.
    ``store`` is whose fate is told in full. ``consent`` names groups with a single member that
    may stand still.
    """

    spec: RolloutSpec
    sources: tuple[Path | str, ...]
    limit: str = ""
    change: str = ""
    emergency: bool = False
    soak: Soak | None = None
    start: datetime | None = None
    risk: RiskClass = RiskClass.MEDIUM
    store: str = ""
    consent: frozenset[str] = frozenset()
    file: str = ""
    summary: Mapping[str, str] = field(default_factory=dict)
    site: str = ""
    version: str = ""
    zone: tzinfo = UTC
    vault_password: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """Everything that one look ahead works with."""

    parts: RolloutPlanParts
    request: RolloutPlanRequest
    at: datetime
    start: datetime
    whole: Estate
    chosen: tuple[Device, ...]
    gone: tuple[str, ...]
    change: Change | None
    plan: Plan
    almanac: Almanac
    operation: OperationClass

    @property
    def emergency(self) -> bool:
        """Whether its change acts first and asks later."""
        return self.change is not None and self.change.draft.kind is Kind.EMERGENCY


def plan_rollout(parts: RolloutPlanParts, request: RolloutPlanRequest) -> RolloutPlanReport:
    """The report. Raises ConfigInvalid for a change, a limit or a store that is not there."""
    scene = _scene(parts, request)
    clock = _clock(scene)
    estate = _groups(scene)
    found = schedule(scene.plan, clock, scene.start, estate)
    about = _circumstances(scene)
    report = RolloutPlanReport(
        at=scene.at,
        start=scene.start,
        spec=scene.plan.spec,
        plan=scene.plan,
        schedule=found,
        needs=needs(scene.plan.spec),
        operation=scene.operation,
        risk=about.risk,
        deadlines=judge_deadlines(scene.plan, found, about),
        loosened=loosened(scene.plan.spec, scene.plan),
        consents=_consents(scene, estate),
        gone=scene.gone,
        stale=_stale(scene.plan, request.spec, scene),
        provisional=_provisional(scene, found),
        against=_against(scene, found.stuck[:_SHOWN_STUCK]),
        window=_own_window(scene),
        **_about(scene),
    )
    report = replace(report, lane=_lane(scene, report, clock, estate))
    if request.store:
        report = replace(report, store=_tale(scene, report, clock, estate))
    return report


def planned(found: FrozenInventory, spec: RolloutSpec, hosts: Sequence[str], whole: Estate) -> Plan:
    """The plan that a start freezes, for ``hosts`` of the inventory (names that it has)."""
    wanted = frozenset(hosts)
    devices = [device for device in whole.devices if device.name in wanted]
    findings = [each for each in whole.findings if each.host in wanted]
    return plan(spec, devices, _labels(found, spec, wanted), findings)


def undo_refusal(made: Plan, whole: Estate, pos_roles: frozenset[str] = POS_ROLES) -> str:
    """Why a start should be refused: a wave after which not everything could be taken back within
    the hour (guide 1.3.4, 2.5.4), and what would do. "" when all of it could."""
    estate = _estate(whole, {host.name for host in made.hosts}, pos_roles)
    for number, undo in enumerate(undo_by_wave(made, estate), start=1):
        if not undo.fits:
            return too_slow(undo, number)[0]
    return ""


def asked_for(spec: RolloutSpec, *, emergency: bool, soak: Soak | None) -> RolloutSpec:
    """``spec`` with what the command line says instead."""
    return replace(spec, emergency=spec.emergency or emergency, soak=soak or spec.soak)


def _scene(parts: RolloutPlanParts, request: RolloutPlanRequest) -> _Scene:
    at = parts.clock.now()
    change = _change(parts, request.change) if request.change else None
    found = parts.inventory.resolve(request.sources, vault_password=request.vault_password)
    whole = read_estate(found.hosts, parts.zone_known)
    names = _limited(parts, request, found)
    gone: tuple[str, ...] = ()
    if change is not None:
        own = dict.fromkeys(change.hosts)
        gone = tuple(name for name in own if name not in found.hosts)
        names = tuple(name for name in names if name in own)
    spec = asked_for(request.spec, emergency=request.emergency, soak=request.soak)
    made = planned(found, spec, names, whole)
    wanted = {host.name for host in made.hosts}
    payload = made.spec.payload_class
    return _Scene(
        parts=parts,
        request=request,
        at=at,
        start=request.start or at,
        whole=whole,
        chosen=tuple(device for device in whole.devices if device.name in wanted),
        gone=gone,
        change=change,
        plan=made,
        almanac=parts.almanac(),
        operation=operation(change, payload) if change is not None else OPERATIONS[payload],
    )


def _limited(
    parts: RolloutPlanParts, request: RolloutPlanRequest, found: FrozenInventory
) -> tuple[str, ...]:
    if not request.limit:
        return tuple(found.hosts)
    limited = parts.inventory.resolve(
        request.sources, limit=request.limit, vault_password=request.vault_password
    )
    return tuple(limited.hosts)


def _change(parts: RolloutPlanParts, number: str) -> Change:
    change = parts.change(number)
    if change is None:
        raise ConfigInvalid("there is no such change", where=number, hint="storewarden change list")
    return change


def _labels(found: FrozenInventory, spec: RolloutSpec, hosts: frozenset[str]) -> Labels:
    """Groups, and the variables that strata name (those of devices are known already)."""
    names = spec.strata
    variables = {
        host: {name: _text(found.hosts[host].get(name)) for name in names}
        for host in hosts
        if names
    }
    return Labels(groups=found.groups, variables=variables)


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        value = value.get("__ansible_unsafe", "")
    return str(value) if isinstance(value, str | int | float | bool) else ""


def _clock(scene: _Scene) -> PlannedClock:
    stores: dict[str, list[Device]] = {}
    for device in scene.chosen:
        stores.setdefault(device.store, []).append(device)
    own = _own_window(scene)
    window = Interval(starts=own[0], ends=own[1]) if own else None
    return PlannedClock(scene.almanac, stores, scene.operation, scene.start, window)


def _own_window(scene: _Scene) -> tuple[datetime, datetime] | None:
    """The change's own window; an emergency has none."""
    if scene.change is None or scene.change.draft.window is None or scene.emergency:
        return None
    window = scene.change.draft.window
    return window.starts.astimezone(UTC), window.ends.astimezone(UTC)


def _groups(scene: _Scene) -> scheduling.Estate:
    wanted = {device.name for device in scene.chosen}
    return _estate(scene.whole, wanted, scene.parts.pos_roles)


def _estate(whole: Estate, wanted: Collection[str], pos_roles: frozenset[str]) -> scheduling.Estate:
    """Failure groups over the whole estate: who is not in the rollout is in the group as well."""
    groups = {device.name: groups_of(device, None, pos_roles) for device in whole.devices}
    own = {name: groups[name] for name in wanted}
    return scheduling.Estate(groups=own, members=members_of(groups))


def _circumstances(scene: _Scene) -> Circumstances:
    change = scene.change
    known = change.opened_at if change is not None else scene.start
    approvals = [each.at for each in change.approvals if not each.expired] if change else []
    waiting = change is not None and change.state.value == "requested"
    return Circumstances(
        risk=RiskClass(change.draft.risk.value) if change is not None else scene.request.risk,
        known=known,
        works=scene.parts.works(),
        zone=scene.request.zone,
        approved=None if waiting else max(approvals, default=None),
        opened=change is not None,
        emergency=scene.emergency,
    )


def _consents(scene: _Scene, estate: scheduling.Estate) -> tuple[str, ...]:
    """Groups that have a single member, which nobody has agreed to take."""
    if scene.plan.spec.budgets.single_consent:
        return ()
    own = {group for groups in estate.groups.values() for group in groups}
    alone = {group for group in own if needs_consent(group, len(estate.members[group]))}
    return tuple(sorted(alone - scene.request.consent))


def _stale(made: Plan, asked: RolloutSpec, scene: _Scene) -> tuple[str, ...]:
    """Roles of the file that no device has: most likely misspelt."""
    held = {device.role for device in scene.whole.devices}
    labels = {size.label for size in made.idle if size.label}
    return (*sorted(set(asked.roles) - held), *sorted(labels))


def _provisional(scene: _Scene, found: Schedule) -> tuple[int, ...]:
    last = found.over or scene.start
    years = range(scene.start.year, last.year + 1)
    known = {each.year for each in scene.almanac.calendar.provisional}
    return tuple(sorted(known.intersection(years)))


def _against(scene: _Scene, stores: Sequence[str]) -> dict[str, tuple[Reason, ...]]:
    """Why nothing can begin in a store: what its devices are told now."""
    return {store: _reasons(scene, store) for store in stores}


def _reasons(scene: _Scene, store: str) -> tuple[Reason, ...]:
    found: dict[Reason, None] = {}
    for device in scene.chosen:
        if device.store == store:
            question = Question(
                device=device, operation=scene.operation, needs=needs(scene.plan.spec)
            )
            decision = judge(question, scene.almanac, scene.start)
            found.update(dict.fromkeys(() if decision.allowed else decision.reasons))
    return tuple(found)


def _lane(
    scene: _Scene, report: RolloutPlanReport, clock: PlannedClock, estate: scheduling.Estate
) -> LaneTold | None:
    """The emergency lane, where a deadline is missed without it."""
    if report.spec.emergency or not report.missed or report.schedule.stuck:
        return None
    quick = replace(scene.plan, spec=replace(report.spec, emergency=True))
    found = schedule(quick, clock, scene.start, estate)
    return LaneTold(schedule=found, deadlines=judge_deadlines(quick, found, _circumstances(scene)))


def _tale(
    scene: _Scene, report: RolloutPlanReport, clock: PlannedClock, estate: scheduling.Estate
) -> StoreTale:
    """What one store will live through."""
    name = scene.request.store
    hosts = [host for host in report.plan.hosts if host.store == name]
    if not hosts:
        close = get_close_matches(name, report.plan.stores, n=1)
        hint = f"did you mean {close[0]}?" if close else "storewarden rollout plan FILE"
        raise ConfigInvalid("no wave has this store", where=name, hint=hint)
    device = next(each for each in scene.chosen if each.store == name)
    times = report.schedule.stores.get(name)
    fit = clock.fits(name, report.needs, times.begins) if times else None
    unfit = {device.name for device in scene.whole.devices if device.store == name}
    work = scheduling.store_work(hosts, report.spec.budgets, estate)[name]
    return StoreTale(
        store=name,
        wave=report.schedule.waves[hosts[0].wave - 1],
        zone=ZoneInfo(device.tz or scene.almanac.calendar.house.zone),
        hosts=tuple((host.name, host.role) for host in hosts),
        turns=-(-work.hosts // work.together),
        unfit=tuple(each for each in report.plan.refused if each.host in unfit),
        begins=times.begins if times else None,
        ends=times.ends if times else None,
        closes=fit[1] if fit else None,
        against=() if times else _reasons(scene, name),
    )


def _about(scene: _Scene) -> dict[str, Any]:
    request, change = scene.request, scene.change
    return {
        "change": request.change,
        "change_state": change.state.value if change is not None else "",
        "file": request.file,
        "summary": request.summary,
        "site": request.site,
        "version": request.version,
        "zone": request.zone,
    }


def wanted_soak(wall: timedelta) -> Soak:
    """``--soak``: by the clock alone. Who shortens a soak by hand does not wait for the morning."""
    return Soak(wall=wall)
