# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a backup proven at one site, joined: drills, restores, the 3-2-1 proof, retention."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from storewarden.domain.backup.catalog import OWN_HOME, DeletionRequest, Target, Verb
from storewarden.domain.backup.drill_report import DrillReport, report_of
from storewarden.domain.backup.policy import Policy
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows import restore as restoring
from storewarden.flows.backup_deletion import DeletionParts
from storewarden.flows.backup_deletion import delete as delete_approved
from storewarden.flows.backup_expiry import ExpiryDesk, ExpiryParts
from storewarden.flows.backup_proof import ProofParts, Proven, prove
from storewarden.flows.drill import DrillParts, DrillWish, TargetDrill, run_drills
from storewarden.flows.drill_record import Rehearsal
from storewarden.flows.restore_change import RestoreGate
from storewarden.flows.restore_plan import Into, RestorePlan, RestoreWish, plan_restore
from storewarden.flows.restore_play import RestorePlay
from storewarden.wiring.backup import policies
from storewarden.wiring.backup_coverage import locations_of
from storewarden.wiring.backup_work import PATIENCE, BackupSite, Carrier, backup_site
from storewarden.wiring.changes import change_rules, change_windows
from storewarden.wiring.here import operator
from storewarden.wiring.interrupts import interruption
from storewarden.wiring.play_settings import play_settings

if TYPE_CHECKING:
    from storewarden.domain.change.people import Person
    from storewarden.flows.harden_ready import WorkDesk
    from storewarden.ports.reports import Language
    from storewarden.wiring.site import Site


def drill(
    site: Site,
    wish: DrillWish,
    told: Callable[[Rehearsal], None] = lambda _rehearsal: None,
    by: str = "",
) -> tuple[TargetDrill, ...]:
    """Rehearse restores and wait for their ends; after INT and TERM they go on by themselves."""
    mine = backup_site(site)
    with interruption() as stop:
        return run_drills(
            DrillParts(
                catalog=site.ledger.backups,
                policies=mine.policies,
                targets=lambda policy: _targets(mine, policy),
                carry=Carrier(parts=mine.work(stop.wait, patience=PATIENCE), by=by or operator()),
                clock=site.clock,
                on=lambda target, place: mine.on(target, place, Verb.DRILL),
                places={*mine.places, OWN_HOME},
                told=told,
            ),
            wish,
        )


def drills_report(site: Site, since: datetime, until: datetime) -> DrillReport:
    """What was rehearsed between two moments, and what was not; of a span that is not over yet,
    until now."""
    mine = backup_site(site)
    return report_of(
        site.ledger.backups.drills(since=since),
        {each.id: each for each in policies(site)},
        {policy.id: _targets(mine, policy) for policy in policies(site)},
        since=since,
        until=min(until, max(since, site.clock.now())),
    )


def drills_page(site: Site, report: DrillReport, language: Language) -> str:
    """The report as an HTML file."""
    from storewarden.adapters.reports.drill_html import render  # noqa: PLC0415 - jinja2

    config = site.config.site
    return render(report, language, config.name, ZoneInfo(config.timezone))


def restore_plan(site: Site, wish: RestoreWish, into: Into | None = None) -> RestorePlan:
    """What a restore would do."""
    mine = {each.id: each for each in policies(site)}
    return plan_restore(site.ledger.backups, mine, wish, site.clock.now(), into)


def restore(
    site: Site,
    plan: RestorePlan,
    told: Callable[[str, str], None],
    *,
    desk: WorkDesk | None = None,
    change: str = "",
    unsaved: str = "",
) -> restoring.Restored:
    """Carry a plan out; production only with a desk and a change."""
    with _restoring(site, desk, told) as parts:
        if plan.into is Into.PRODUCTION:
            return restoring.into_production(parts, plan, change, unsaved=unsaved)
        return restoring.into_scratch(parts, plan)


def drop_restored(site: Site, run: str) -> str:
    """Remove what a restore into scratch kept; its folder."""
    with _restoring(site, None, lambda _en, _zh: None) as parts:
        return restoring.drop(parts, {each.id: each for each in policies(site)}, run)


@contextmanager
def _restoring(
    site: Site, desk: WorkDesk | None, told: Callable[[str, str], None]
) -> Iterator[restoring.RestoreParts]:
    mine = backup_site(site)
    play = RestorePlay(
        runner=site.runner, clock=site.clock, estate=mine.estate, settings=play_settings(site)
    )
    gate = None
    if desk is not None:
        windows = change_windows(site)
        gate = RestoreGate(desk=desk, judge=windows.judge_start, zone=change_rules(site).zone)
    by = desk.person.id if desk is not None else operator()
    with interruption() as stop:
        yield restoring.RestoreParts(
            catalog=site.ledger.backups,
            carry=Carrier(parts=mine.work(stop.wait, patience=PATIENCE), by=by),
            clock=site.clock,
            gate=gate,
            capture=play.capture,
            remove=play.drop,
            told=told,
        )


def proofs(
    site: Site, subject: str, policy: str = "", *, canary: bool = False
) -> tuple[Proven, ...]:
    """The 3-2-1 proof of a set or of a host's newest ones; with ``canary`` places that claim to be
    immutable are asked to prove it."""
    mine = backup_site(site)
    with interruption() as stop:
        return prove(
            ProofParts(
                catalog=site.ledger.backups,
                policies={each.id: each for each in policies(site)},
                locations=locations_of(site.config.backup),
                clock=site.clock,
                carry=Carrier(parts=mine.work(stop.wait, patience=PATIENCE), by=operator())
                if canary
                else None,
                on=lambda target, place: mine.on(target, place, Verb.CANARY),
                journal=lambda kind, run, body: site.ledger.append(
                    kind, dict(body), run=run, step="canary"
                ),
            ),
            subject,
            policy,
            canary=canary,
        )


def expiry_parts(site: Site) -> ExpiryParts:
    """What proposing and approving deletions takes."""
    return ExpiryParts(
        catalog=site.ledger.backups,
        policies=lambda: {each.id: each for each in policies(site)},
        rules=change_rules(site),
        clock=site.clock,
        language=site.config.site.language,
    )


def expiry_desk(site: Site, person: Person) -> ExpiryDesk:
    """The desk at which a person proposes, approves and refuses."""
    return ExpiryDesk(expiry_parts(site), person)


def delete(
    site: Site, number: str, told: Callable[[str, str], None], by: str = ""
) -> DeletionRequest:
    """Remove what was approved, place by place."""
    mine = backup_site(site)
    with interruption() as stop:
        return delete_approved(
            DeletionParts(
                expiry=expiry_parts(site),
                locations=locations_of(site.config.backup),
                carry=Carrier(parts=mine.work(stop.wait, patience=PATIENCE), by=by or operator()),
                on=lambda target, place: mine.on(target, place, Verb.PRUNE),
                told=told,
            ),
            number,
        )


def device_diff(site: Site, device: str, at: datetime | None) -> tuple[str, str]:
    """The configuration of a device that would come back: its name, and what differs from the one
    that runs there now (without secrets). Raises ConfigInvalid, AdapterError."""
    from storewarden.domain.backup.device_config import difference, shown  # noqa: PLC0415
    from storewarden.wiring import backup as wired  # noqa: PLC0415

    store = wired.device_store(site)
    kept = store.files(device)
    files = [each for each in kept if at is None or each.day <= at.date()]
    if not files:
        raise ConfigInvalid("no configuration of it was kept then", where=device)
    running = wired.running_config(site, device)
    found = difference(
        running, store.text(files[-1]), wired.platform_of(site, device), ("running", files[-1].name)
    )
    return files[-1].name, shown(found)


def device_tested(site: Site, device: str, file: str, said: str) -> None:
    """Somebody states that a configuration was tried before it goes to a device; journaled."""
    at = site.clock.now()
    body = {"device": device, "file": file, "tested": said, "by": operator()}
    site.ledger.append(
        "device restore", body, run=f"device {device} {at.isoformat()}", step="tested"
    )


def _targets(mine: BackupSite, policy: Policy) -> Sequence[Target]:
    return tuple(each.target for each in mine.bound() if each.policy.id == policy.id)
