# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardening at one site: its audit, its windows, and a desk, joined.

The desk decides who acts. People's verbs go through the service, with their token; a program that
may write the ledger hands over a desk of its own (``site.change_desk(person)``). This is how a
forced fix runs: a person of its own, and a standing change::

    desk = site.change_desk(person)
    refusal = standing_refusal(site, number, hosts)
    report = site.harden_start(HardenOptions(change=number, limit=...), desk)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from storewarden.domain.baseline.control import Risk
from storewarden.domain.baseline.harden_gate import start_refusal
from storewarden.domain.change.commands import Close, Command, Finish, Note, Run, Start, StepDone
from storewarden.domain.change.people import Person
from storewarden.domain.change.plain import plain_value, typed
from storewarden.domain.change.record import Change, EvidenceKind
from storewarden.domain.change.recording import run_refusal
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows import harden as flow
from storewarden.flows.audit_ready import Contact
from storewarden.flows.change_desk import Document
from storewarden.flows.harden_progress import HardenWatcher, unwatched
from storewarden.flows.harden_ready import HardenParts, HardenRequest, WorkDesk
from storewarden.flows.harden_records import RecordReader
from storewarden.flows.harden_status import status as told_status
from storewarden.flows.harden_undo import undo as undo_flow
from storewarden.ports.harden import Deed, HardenFormat, HardenReport, HardenStatus
from storewarden.ports.reports import Language, Page
from storewarden.wiring.changes import change_rules, change_windows

if TYPE_CHECKING:
    from storewarden.adapters.service import ServiceClient
    from storewarden.wiring.site import Site

_ROUTES: Mapping[type, tuple[str, tuple[str, ...]]] = {
    Start: ("start", ()),
    Note: ("note", ("text",)),
    StepDone: ("step-done", ("step",)),
    Finish: ("finish", ("note",)),
    Close: ("close", ("outcome", "reason", "left")),
    Run: ("runs", ("run", "hosts", "began", "succeeded", "note")),
}
"""Command -> the service's route and the fields of its body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HardenOptions:
    """What one hardening is asked for beyond the site's settings.

    ``inventory`` replaces the site's sources; ``controls`` are ids or patterns like ``B*``;
    ``max_risk`` leaves out fixes that risk more; ``deadline`` is how long a host waits for its
    confirmation; ``variables`` go to the playbook; ``finish`` closes the change as successful
    when every host is as required.
    """

    change: str = ""
    inventory: tuple[Path | str, ...] = ()
    limit: str = ""
    controls: tuple[str, ...] = ()
    max_risk: Risk = Risk.R3
    deadline: timedelta = timedelta(minutes=5)
    variables: tuple[tuple[str, object], ...] = ()
    finish: bool = False
    by: str = ""


class ServiceDesk:
    """The desk, asked over the service's API as the owner of a token."""

    def __init__(self, client: ServiceClient) -> None:
        """Asks whose token it is. Raises what the service raises."""
        self._client = client
        me = client.read("/me")
        self._person = Person(id=me["id"], name=me["name"], roles=frozenset(me["roles"]))

    @property
    def person(self) -> Person:
        """Who acts."""
        return self._person

    def change(self, number: str) -> Change:
        """One change."""
        return _typed(self._client.read(f"/changes/{quote(number, safe='')}"))

    def act(self, number: str, key: str, command: Command) -> Change:
        """Ask for something. Raises ConfigInvalid for a command that hardening has no use for."""
        if type(command) not in _ROUTES:
            raise ConfigInvalid("is not asked for over the service", where=type(command).__name__)
        route, names = _ROUTES[type(command)]
        body = {name: plain_value(getattr(command, name)) for name in names}
        return _typed(self._client.write(f"/changes/{quote(number, safe='')}/{route}", body, key))

    def attach(self, number: str, key: str, document: Document) -> Change:
        """Attach a document."""
        path = f"/changes/{quote(number, safe='')}/evidence"
        about = {"name": document.name, "kind": document.kind.value, "note": document.note}
        answer = self._client.deliver(path, document.content, document.media_type, key, **about)
        return _typed(answer)


@contextmanager
def service_desk(
    site: Site, environ: Mapping[str, str], token_file: Path | None
) -> Iterator[WorkDesk]:
    """The desk of the running service, for the owner of the token."""
    from storewarden.wiring.service import service  # noqa: PLC0415 - httpx costs 0.2 s

    with service(site.config, environ, token_file) as client:
        yield ServiceDesk(client)


def plan(
    site: Site,
    options: HardenOptions,
    desk: WorkDesk | None = None,
    watch: HardenWatcher = unwatched,
) -> HardenReport:
    """What hardening would do; with ``options.change`` on the hosts of that change."""
    return flow.plan(_parts(site, desk), _request(site, options), watch)


def start(
    site: Site, options: HardenOptions, desk: WorkDesk, watch: HardenWatcher = unwatched
) -> HardenReport:
    """Harden on ``options.change``; also a run of a standing change."""
    return flow.start(_parts(site, desk), _request(site, options), watch)


def undo(
    site: Site, options: HardenOptions, desk: WorkDesk, watch: HardenWatcher = unwatched
) -> HardenReport:
    """Take back what ``options.change`` has fixed."""
    return undo_flow(_parts(site, desk), _request(site, options), watch)


def status(site: Site, change: str) -> HardenStatus:
    """What was done on a change. Raises ConfigInvalid when there is no such change."""
    site.require_ledger()
    found = site.changes.change(change)
    if found is None:
        raise ConfigInvalid("there is no such change", where=change, hint="storewarden change list")
    return told_status(site.ledger, change, state=found.state.value, zone=change_rules(site).zone)


def standing_refusal(site: Site, change: str, hosts: Collection[str]) -> str:
    """Why a run of a standing change on ``hosts`` must not begin now; "" when it may.

    The windows are asked by the run itself.
    """
    found = site.changes.change(change)
    if found is None:
        return "there is no such change"
    reason = run_refusal(found, hosts, change_rules(site), site.clock.now())
    other = start_refusal(found, hosts)
    return reason or (other.reason if other is not None else "")


def attach_plan(desk: WorkDesk, number: str, report: HardenReport, language: str) -> Change:
    """The plan as evidence of a change, once per plan."""
    document = _document(report, language)
    return desk.attach(number, document.name.removesuffix(".html"), document)


def rendered(report: HardenReport, shape: HardenFormat, page: Page) -> str:
    """The text of a report."""
    from storewarden.adapters.reports.harden import renderer  # noqa: PLC0415

    return renderer(shape)(report, page)


def rendered_status(found: HardenStatus, page: Page, *, as_json: bool) -> str:
    """The text of a status."""
    from storewarden.adapters.reports import harden_status  # noqa: PLC0415

    return harden_status.as_json(found) if as_json else harden_status.render(found, page)


def record_reader(site: Site) -> Contact:
    """What reads hosts' undo records out of their reports into the journal."""
    return RecordReader(
        ledger=site.ledger, book=site.changes, clock=site.clock, rules=change_rules(site)
    )


def _parts(site: Site, desk: WorkDesk | None) -> HardenParts:
    windows = change_windows(site)
    language = site.config.site.language
    return HardenParts(
        audit=site.audit_parts(),
        rules=change_rules(site),
        judge=windows.judge_start,
        document=lambda report: _document(report, language),
        contact=record_reader(site),
        audited=site.audited,
        desk=desk,
        language=language,
    )


def _request(site: Site, options: HardenOptions) -> HardenRequest:
    from storewarden.wiring.site import AuditOptions  # noqa: PLC0415 - it imports us

    audit = site.audit_request(
        AuditOptions(
            inventory=options.inventory,
            limit=options.limit,
            controls=options.controls,
            by=options.by,
        )
    )
    return HardenRequest(
        audit=replace(audit, bar=None),
        change=options.change,
        max_risk=options.max_risk,
        deadline=options.deadline,
        finish=options.finish,
        variables=dict(options.variables),
    )


def _document(report: HardenReport, language: str) -> Document:
    """The report as one HTML file; a plan is no proof, what was done is one."""
    page = Page(language=Language(language), width=100, colour=False)
    content = rendered(report, HardenFormat.HTML, page).encode()
    stamp = f"{report.at:%Y%m%dT%H%M%S}.{report.at.microsecond // 1000:03d}"
    plan = report.deed is Deed.PLAN
    return Document(
        kind=EvidenceKind.OTHER if plan else EvidenceKind.VERIFICATION,
        name=f"harden-{'plan-' + stamp if plan else report.session}.html",
        media_type="text/html",
        content=content,
    )


def _typed(answer: Any) -> Change:
    return typed(answer["change"])
