# SPDX-License-Identifier: GPL-3.0-or-later
"""One site: its settings, joined with the adapters that serve it.

This is what the command line stands on, and what other programs use::

    from storewarden.config import load_config
    from storewarden.wiring import AuditOptions, open_site

    with open_site(load_config(None, os.environ, Path.cwd())) as site:
        report = site.audit(AuditOptions(limit="region_east"))
        print(report.scores.fleet.rate)

Nothing is opened before it is needed: reading a recorded audit needs no Ansible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo, available_timezones

import storewarden
from storewarden.adapters.clock import SystemClock
from storewarden.domain.baseline.control import Severity
from storewarden.domain.baseline.waiver import DeviceFacts, Waiver
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.domain.estate.guard import ShrinkLimit
from storewarden.flows.audit import AuditParts, AuditRequest, run_audit
from storewarden.flows.audit_progress import Watcher, unwatched
from storewarden.flows.audit_ready import Claims as AuditClaims
from storewarden.flows.audit_report import ReportRequest, recorded_report
from storewarden.flows.drift_reasons import with_reasons
from storewarden.flows.harden_progress import HardenWatcher
from storewarden.flows.harden_progress import unwatched as harden_unwatched
from storewarden.flows.harden_status import worked
from storewarden.ports.clock import Clock
from storewarden.ports.content import Content
from storewarden.ports.inventory import Inventory
from storewarden.ports.ledger import Verification
from storewarden.ports.reports import AuditReport, Format, Page
from storewarden.ports.runner import Runner, SecretFiles
from storewarden.wiring.claims import Claims
from storewarden.wiring.here import operator, this_machine
from storewarden.wiring.interrupts import interruption

if TYPE_CHECKING:  # pydantic behind it costs 0.3 s, and --help needs none of it
    from storewarden.adapters.ansible.runner import PlaybookRunner
    from storewarden.adapters.ledger import SqlLedger
    from storewarden.config.site import SiteConfig
    from storewarden.domain.change.people import Person
    from storewarden.flows.change_desk import ChangeDesk, DeskParts
    from storewarden.flows.change_index import ChangeIndex
    from storewarden.flows.change_items import EstateItems
    from storewarden.flows.harden_ready import WorkDesk
    from storewarden.ports.changes import ChangeBook
    from storewarden.ports.evidence import EvidenceStore
    from storewarden.ports.harden import HardenReport, HardenStatus
    from storewarden.ports.outbox import Outbox
    from storewarden.ports.people import People
    from storewarden.wiring.harden import HardenOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """What one audit is asked for beyond the site's settings.

    ``inventory`` replaces the site's sources; ``controls`` are ids or patterns
    like ``B*``; ``fail_under`` is in percent and replaces the site's bar;
    ``local`` audits this machine alone; ``by`` is who asks, when it is not the
    user of this process.
    """

    inventory: tuple[Path | str, ...] = ()
    limit: str = ""
    controls: tuple[str, ...] = ()
    fail_under: Fraction | None = None
    since: str = ""
    accept_shrunk: bool = False
    local: bool = False
    by: str = ""


class Site:
    """A site's verbs. Made by ``open_site``; close it, or use it in a ``with``."""

    def __init__(self, config: SiteConfig, *, clock: Clock | None = None) -> None:
        self.config = config
        self.clock: Clock = clock or SystemClock()

    def __enter__(self) -> Self:
        """The site itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close what was opened."""
        self.close()

    def close(self) -> None:
        """Let go of the ledger, and of the warm process."""
        if "_playbooks" in self.__dict__:
            self._playbooks.close()
        if "ledger" in self.__dict__:
            self.ledger.close()

    @cached_property
    def ledger(self) -> SqlLedger:
        """The ledger, opened (and made, the first time)."""
        from storewarden.adapters.ledger import open_ledger  # noqa: PLC0415 - costs 0.3 s
        from storewarden.wiring.secrets import ledger_password  # noqa: PLC0415

        _make(self.config.state_dir)
        password = ledger_password(self.config)
        return open_ledger(self.config.ledger, clock=self.clock, password=password)

    @cached_property
    def _playbooks(self) -> PlaybookRunner:
        from storewarden.adapters.ansible.runner import PlaybookRunner  # noqa: PLC0415

        _make(self.config.state_dir)
        return PlaybookRunner(self.config.state_dir, clock=self.clock)

    @property
    def runner(self) -> Runner:
        """The runner over this site's state directory."""
        return self._playbooks

    def keep_warm(self) -> None:
        """For programs that stay: runs start from a process that has Ansible loaded (ADR 0018).

        Without an inventory there will be no runs, and nothing is kept.
        """
        config = self.config
        if config.inventory and config.controller.warm_runs:
            self._playbooks.keep_warm(config.ssh.known_hosts, config.ansible.collections)

    @cached_property
    def inventory(self) -> Inventory:
        """What resolves inventories."""
        from storewarden.adapters.ansible.inventory import AnsibleInventory  # noqa: PLC0415

        ansible = self.config.ansible
        return AnsibleInventory(collections=ansible.collections, pass_env=ansible.pass_env)

    @cached_property
    def content(self) -> Content:
        """The catalogue of controls."""
        from storewarden.adapters.ansible.content import InstalledContent  # noqa: PLC0415

        return InstalledContent()

    @property
    def changes(self) -> ChangeBook:
        """The changes of the ledger, for programs that look; people go to the desk."""
        return self.ledger.changes

    @cached_property
    def change_index(self) -> ChangeIndex:
        """All changes in short, kept up by following the journal."""
        from storewarden.flows.change_index import ChangeIndex  # noqa: PLC0415

        return ChangeIndex(self.changes, self.ledger)

    @property
    def outbox(self) -> Outbox:
        """What still has to reach other systems."""
        return self.ledger.outbox

    @cached_property
    def evidence(self) -> EvidenceStore:
        """Documents that changes refer to."""
        from storewarden.adapters.evidence import EvidenceFolder  # noqa: PLC0415

        return EvidenceFolder(self.config.state_dir / "evidence")

    @cached_property
    def people(self) -> People:
        """People, their roles and their tokens."""
        from storewarden.wiring.people import people_of  # noqa: PLC0415

        return people_of(self.config, self.clock)

    @cached_property
    def items(self) -> EstateItems:
        """What turns hosts and patterns into configuration items."""
        from storewarden.wiring.changes import estate_items  # noqa: PLC0415

        return estate_items(self)

    def change_desk(self, person: Person) -> ChangeDesk:
        """The desk at which ``person`` opens, approves and closes changes.

        Who the person is has been found out before: ``people.authenticate`` by their token,
        or ``people.person`` in a program that may write the ledger anyway.
        """
        from storewarden.flows.change_desk import ChangeDesk  # noqa: PLC0415

        return ChangeDesk(self._desk_parts, person)

    @cached_property
    def _desk_parts(self) -> DeskParts:
        from storewarden.wiring.changes import desk_parts  # noqa: PLC0415

        return desk_parts(self)

    @cached_property
    def _claims(self) -> AuditClaims:
        """With the ledger: an audit is the ledger's, wherever its runs are kept."""
        return self.ledger.locks or Claims(self.config.beside_ledger("claims"))

    def audit(self, options: AuditOptions | None = None, watch: Watcher = unwatched) -> AuditReport:
        """Audit and record; the report. Raises the leaves of ``domain.errors``."""
        request = self.audit_request(options or AuditOptions())
        return self.audited(run_audit(self.audit_parts(), request, watch))

    def audited(self, report: AuditReport) -> AuditReport:
        """What follows every audit; the report with the changes that explain its drift."""
        from storewarden.wiring.baseline import after_audit  # noqa: PLC0415

        return self._with_reasons(after_audit(self, report))

    def harden_plan(
        self,
        options: HardenOptions,
        desk: WorkDesk | None = None,
        watch: HardenWatcher = harden_unwatched,
    ) -> HardenReport:
        """What hardening would do; with ``options.change`` (which needs a desk) on its hosts."""
        from storewarden.wiring import harden  # noqa: PLC0415

        return harden.plan(self, options, desk, watch)

    def harden_start(
        self, options: HardenOptions, desk: WorkDesk, watch: HardenWatcher = harden_unwatched
    ) -> HardenReport:
        """Harden on a change, as whoever stands at ``desk`` (``change_desk(person)``)."""
        from storewarden.wiring import harden  # noqa: PLC0415

        return harden.start(self, options, desk, watch)

    def harden_undo(
        self, options: HardenOptions, desk: WorkDesk, watch: HardenWatcher = harden_unwatched
    ) -> HardenReport:
        """Take back what a change has fixed."""
        from storewarden.wiring import harden  # noqa: PLC0415

        return harden.undo(self, options, desk, watch)

    def harden_status(self, change: str) -> HardenStatus:
        """What was done on a change, per host and apply group."""
        from storewarden.wiring import harden  # noqa: PLC0415

        return harden.status(self, change)

    def report(self, audit: str = "last", *, since: str = "") -> AuditReport:
        """A recorded audit again, without touching a host."""
        request = ReportRequest(
            audit=audit,
            since=since,
            extra_controls=self.config.audit.controls_dirs,
            zone=ZoneInfo(self.config.site.timezone),
        )
        self.require_ledger()
        return self._with_reasons(recorded_report(self.ledger, self.content, request))

    def verify_ledger(self, known: Mapping[int, str] | None = None) -> Verification:
        """Replay the journal against itself, the state tables, documents and all anchors.

        ``known`` are hashes by entry, from tickets or messages, beside the anchor file's.
        """
        from storewarden.wiring.records import verify  # noqa: PLC0415

        return verify(self, known)

    def _with_reasons(self, report: AuditReport) -> AuditReport:
        """An audit that the ledger could not take cannot be explained from it either."""
        if report.unrecorded:
            return report
        return with_reasons(report, self.changes, lambda each: worked(self.ledger, each.number))

    def require_ledger(self) -> None:
        """Who only reads makes none: an empty new one would be "OK" where one was deleted."""
        if not self.has_ledger():
            raise ConfigInvalid(
                "there is no ledger",
                where=str(self.config.ledger),
                hint="storewarden audit makes one; is this the right storewarden.yml?",
            )

    def has_ledger(self) -> bool:
        """Whether there is a ledger already: who only looks makes none."""
        if self.config.ledger_file is not None:
            return self.config.ledger_file.exists()
        from storewarden.adapters.ledger.peek import schema_on  # noqa: PLC0415 - costs 0.3 s
        from storewarden.wiring.secrets import ledger_password  # noqa: PLC0415

        opened = "ledger" in self.__dict__
        return opened or bool(schema_on(str(self.config.ledger), ledger_password(self.config)))

    def audit_parts(self) -> AuditParts:
        """What audits of this site work with."""
        from storewarden.wiring.harden import record_reader  # noqa: PLC0415

        return AuditParts(
            runner=self.runner,
            inventory=self.inventory,
            content=self.content,
            ledger=self.ledger,
            clock=self.clock,
            claims=self._claims,
            interruption=interruption,
            zone_known=available_timezones().__contains__,
            waivers=self._waivers if self.config.audit.waivers_dir else None,
            contact=record_reader(self),
        )

    def _waivers(
        self, severities: Mapping[str, Severity], devices: Sequence[DeviceFacts]
    ) -> tuple[Waiver, ...]:
        from storewarden.adapters.waivers import load_waivers  # noqa: PLC0415

        places = [place for place in (self.config.audit.waivers_dir,) if place]
        return load_waivers(places, severities=severities, devices=devices)

    def audit_request(self, options: AuditOptions) -> AuditRequest:
        """The options with the site's settings."""
        config, bar = self.config, options.fail_under
        own = Fraction(str(config.audit.fail_under))
        return AuditRequest(
            sources=options.inventory or config.inventory,
            fixed=this_machine() if options.local else None,
            limit=options.limit,
            selection=options.controls,
            extra_controls=config.audit.controls_dirs,
            variables=self._variables(),
            since=options.since,
            bar=(own if bar is None else bar) / 100 or None,  # 0 is no bar
            accept_shrunk=options.accept_shrunk,
            shrink=ShrinkLimit(percent=config.estate.max_drop_percent),
            site=config.site.name,
            by=options.by or operator(),
            version=storewarden.__version__,
            zone=ZoneInfo(config.site.timezone),
            shard_size=config.audit.shard_size,
            at_once=config.audit.at_once,
            forks=config.audit.forks,
            timeout=config.audit.timeout,
            secrets=SecretFiles(
                vault_password=config.secrets.vault_password_file,
                become_password=config.secrets.become_password_file,
                private_key=config.ssh.private_key,
            ),
            known_hosts=config.ssh.known_hosts,
            collections=config.ansible.collections,
        )

    def _variables(self) -> dict[str, object]:
        """Variables of the play beyond the controls; the summary lines are for people."""
        folders = [str(folder) for folder in self.config.audit.controls_dirs]
        extra: dict[str, object] = {"baseline_audit_extra_paths": folders} if folders else {}
        return {"baseline_audit_summary": False, **extra}


def open_site(config: SiteConfig) -> Site:
    """The site of ``config``."""
    return Site(config)


def rendered(report: AuditReport, shape: Format, page: Page) -> str:
    """The text of ``report`` in ``shape``."""
    from storewarden.adapters.reports import renderer  # noqa: PLC0415

    return renderer(shape)(report, page)


def _make(folder: Path) -> None:
    """The state directory, for its owner alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise AdapterError(
            f"cannot be made: {error.strerror}", where=str(folder), hint="set state_dir"
        ) from error
