# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller of one site: its duties, joined with the engine that keeps them going.

There is one per state directory, held by a lock. Everything it does is a duty over the
ledger, so it may be killed at any moment; the next one goes on where the ledger stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

from storewarden.adapters.engine.lock import ControllerLock, holder_of
from storewarden.adapters.engine.pulse import Pulse, ask_to_wake
from storewarden.adapters.engine.store import STORE_NAME
from storewarden.domain.errors import Refused, StorewardenError
from storewarden.domain.outbox.delivery import BackOff
from storewarden.domain.outbox.notice import AuditFacts, IncidentFacts
from storewarden.domain.outbox.ticket import Voice
from storewarden.flows.anchor import Anchoring, AnchorParts
from storewarden.flows.heal_tick import HEALING
from storewarden.flows.incident_duty import INCIDENTS
from storewarden.flows.mirror import Mirror, MirrorParts
from storewarden.flows.remind import Reminding, RemindParts
from storewarden.flows.rollout_parts import ROLLOUTS
from storewarden.flows.tell import AuditStory, Telling, TellParts
from storewarden.flows.tell_audit import audit_facts
from storewarden.ports.engine import Duty, Engine
from storewarden.ports.outbox import TICKET
from storewarden.ports.reports import Format, Language, Page
from storewarden.ports.tickets import Attachment, TicketSystem
from storewarden.wiring.backup_duty import SiteBackups, backup_duties
from storewarden.wiring.baseline import baseline_duties
from storewarden.wiring.changes import change_rules
from storewarden.wiring.forced import forced_duties
from storewarden.wiring.healing import healing_share
from storewarden.wiring.notify import Channel, site_channels
from storewarden.wiring.rollout_duty import CONTROLLER, controller_share, first_beat
from storewarden.wiring.secrets import ledger_password, site_secrets
from storewarden.wiring.single import Single, single_controller
from storewarden.wiring.site import Site, open_site, rendered
from storewarden.wiring.tickets import ticket_system

if TYPE_CHECKING:
    from storewarden.config.site import SiteConfig

_WAKE = "wake"
_OVERDUE = timedelta(minutes=5)
_STUCK = timedelta(hours=1)  # rounds end by themselves after a minute or two


class Controller:
    """The site, held open, and its duties at work. Use it in a ``with``; entering takes the
    lock (Refused when another controller has it)."""

    def __init__(self, config: SiteConfig) -> None:
        self.config = config
        self.site: Site = open_site(config)
        self._lock = ControllerLock(config.state_dir)
        self._single: Single = single_controller(self.site)
        self._stopping = False
        self._engine: Engine | None = None
        self._heal_now: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        """Become the controller."""
        self._lock.take()
        try:
            self._single.take()
        except StorewardenError:
            self.site.close()
            self._lock.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of everything."""
        self.stop(timedelta(seconds=1))
        self._single.release()
        self.site.close()
        self._lock.release()

    def require_alone(self) -> None:
        """Raises Refused when another machine became the controller of this ledger, while its
        server was away from here. Cheap: asked for every few seconds."""
        self._single.require()

    def start(self) -> None:
        """Begin the duties. Raises ConfigInvalid for settings of channels that are wrong."""
        self.site.keep_warm()
        share = controller_share(self.site, lambda: self._engine)
        healing = healing_share(self.site, lambda: self._engine)
        followers = self.made_duties()
        self._subscribe()
        names = [duty.name for duty in followers]
        names += [duty.name for duty in share.duties if duty.name == ROLLOUTS]
        names += [duty.name for duty in healing.duties if duty.name in (HEALING, INCIDENTS)]
        engine = self._made_engine(tuple(names))
        self._engine = engine
        self._heal_now = healing.soon
        if share.works:
            first_beat(self.site, CONTROLLER)
        try:
            duties = (*followers, *share.duties, *healing.duties, *self._backups)
            engine.start(duties, (*share.works, *healing.works))
        except StorewardenError:
            self._engine = None
            raise

    def stop(self, patience: timedelta) -> None:
        """Let running ticks end, at most ``patience`` long. Again: nothing happens."""
        self._stopping = True
        if self._engine is not None:
            self._engine.stop(patience)
            self._engine = None
            for backups in self._backups:
                backups.shut()
            for channel in self._channels:
                channel.sender.shut()
            for system in (self._system, self._anchor_system):
                if system is not None:
                    system.shut()

    def announce(self, address: str) -> None:
        """Let other processes find this controller's API."""
        self._lock.announce(address)

    def duties(self) -> Mapping[str, Mapping[str, object]]:
        """Per duty: last tick, next tick, failures in a row, last error (``ports.engine``)."""
        return self._engine.status() if self._engine is not None else {}

    def alive(self) -> bool:
        """Whether ticks come when they are due, and end: a sign of life for systemd's watchdog."""
        now = self.site.clock.now()
        return all(_lives(told, now) for told in self.duties().values())

    def wake(self, name: str) -> None:
        """Let a duty tick now."""
        if self._engine is not None:
            self._engine.wake(name)
            if name == HEALING:  # a till that is down does not wait until the engine looks
                self._heal_now()

    def made_duties(self) -> tuple[Duty, ...]:
        """The duties of this site."""
        mirrors = (self._mirror(self._system),) if self._system is not None else ()
        tellings = tuple(self._telling(channel) for channel in self._channels)
        own = (*baseline_duties(self.site), *forced_duties(self.site))
        return (*mirrors, *tellings, self._reminding(), self._anchoring(), *own)

    @cached_property
    def _system(self) -> TicketSystem | None:
        return ticket_system(self.config, site_secrets(self.config))

    @cached_property
    def _anchor_system(self) -> TicketSystem | None:
        """A connection of its own: duties tick at the same time, and none is made for two."""
        return ticket_system(self.config, site_secrets(self.config))

    @cached_property
    def _backups(self) -> tuple[SiteBackups, ...]:
        return backup_duties(self.site)

    @cached_property
    def _channels(self) -> tuple[Channel, ...]:
        return site_channels(self.config, site_secrets(self.config))

    @cached_property
    def _backoff(self) -> BackOff:
        controller = self.config.controller
        return BackOff(first=controller.retry_first, longest=controller.retry_longest)

    def _subscribe(self) -> None:
        """Channels that left the settings stay: their cursors are needed when they come back."""
        if self._system is not None:
            self.site.outbox.subscribe(TICKET + self._system.name)
        for channel in self._channels:
            self.site.outbox.subscribe(channel.outbox)

    def _made_engine(self, followers: tuple[str, ...]) -> Engine:
        from storewarden.adapters.engine.durable import DurableEngine  # noqa: PLC0415 - 1 s, 64 MB

        pulse = Pulse(
            read=lambda: self.site.ledger.head().sequence,
            followers=followers,
            folder=self.config.state_dir / _WAKE,
        )
        on_server = self.config.ledger_file is None
        return DurableEngine(
            str(self.config.ledger) if on_server else self.config.state_dir / STORE_NAME,
            clock=self.site.clock,
            pulse=pulse,
            password=ledger_password(self.config) if on_server else None,
        )

    def _mirror(self, system: TicketSystem) -> Duty:
        parts = MirrorParts(
            system=system,
            outbox=self.site.outbox,
            book=self.site.changes,
            drift=self.site.ledger.drift_tickets,
            ledger=self.site.ledger,
            evidence=self.site.evidence,
            clock=self.site.clock,
            voice=Voice(language=self._language, zone=ZoneInfo(self.config.site.timezone)),
            backoff=self._backoff,
            stopping=lambda: self._stopping,
            incidents=self.site.ledger.incidents,
            promises=self.config.healing.incidents.policy,
        )
        return Mirror(parts)

    def _telling(self, channel: Channel) -> Duty:
        parts = TellParts(
            sender=channel.sender,
            rules=channel.rules,
            outbox=self.site.outbox,
            book=self.site.changes,
            ledger=self.site.ledger,
            people=self.site.people if channel.to_people else None,
            approvals=change_rules(self.site),
            audits=AuditStory(facts=self._facts, report=self._document(channel)),
            incidents=self._about,
            clock=self.site.clock,
            backoff=self._backoff,
        )
        return Telling(parts)

    def _reminding(self) -> Duty:
        parts = RemindParts(
            book=self.site.changes, ledger=self.site.ledger, rules=change_rules(self.site)
        )
        return Reminding(parts)

    def _anchoring(self) -> Duty:
        from storewarden.adapters.ledger.anchor_file import JsonAnchorFile  # noqa: PLC0415

        controller = self.config.controller
        parts = AnchorParts(
            ledger=self.site.ledger,
            file=JsonAnchorFile(self.config.anchor_file),
            clock=self.site.clock,
            systems=(self._anchor_system,) if self._anchor_system is not None else (),
            entries=controller.anchor_entries,
            hours=controller.anchor_hours,
            language=self._language,
            backoff=self._backoff,
        )
        return Anchoring(parts)

    @property
    def _language(self) -> str:
        return self.config.tickets.language or self.config.site.language

    def _facts(self, audit: str) -> AuditFacts | None:
        """How an audit came out; None for one that cannot be told of any more."""
        try:
            return audit_facts(self.site.report(audit))
        except StorewardenError:
            return None

    def _about(self, number: str) -> IncidentFacts | None:
        """What an incident is about."""
        found = self.site.ledger.incidents.incident(number)
        if found is None:
            return None
        return IncidentFacts(name=found.name, priority=found.priority.value, hosts=found.hosts)

    def _document(self, channel: Channel) -> Callable[[str], Attachment | None]:
        """What makes the report of an audit a document for this channel."""
        language = Language(channel.rules.language)

        def made(audit: str) -> Attachment | None:
            if not channel.attach_reports:
                return None
            page = Page(language=language)
            text = rendered(self.site.report(audit), Format.HTML, page)
            return Attachment(
                name=f"storewarden-{audit}.html", media_type="text/html", content=text.encode()
            )

        return made


def _lives(duty: Mapping[str, object], now: datetime) -> bool:
    since, due = duty.get("since"), duty.get("next_tick")
    if isinstance(since, datetime):
        return now - since < _STUCK
    return not isinstance(due, datetime) or now - due < _OVERDUE


def controller_at(config: SiteConfig) -> str:
    """The address of the running controller. Raises Refused when none runs or it only begins."""
    holder = holder_of(config.state_dir)
    if holder is None or not holder.address:
        raise Refused(
            "no controller runs here" if holder is None else "the controller is only starting",
            where=str(config.state_dir),
            hint="start it: storewarden serve" if holder is None else "try again in a moment",
        )
    return holder.address


def wake_controller(config: SiteConfig, duty: str) -> None:
    """Ask the running controller, if there is one, to let a duty tick now."""
    if holder_of(config.state_dir) is not None:
        ask_to_wake(config.state_dir / _WAKE, duty)
