# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts of one site, for the command line and for other programs::

    from storewarden.wiring.rollout import Rollouts

    with open_site(load_config(None, os.environ, Path.cwd())) as site:
        rollouts = Rollouts(site)
        desk = site.change_desk(person)
        begun = rollouts.start("kernel.yml", "GMBG-20260601-001", desk)
        rollouts.order(person, Order(rollout=begun.rollout.number, order="pause", why="look"))
        print(rollouts.status(begun.rollout.number).state)

Opening and ordering only write the ledger. The work is done by the controller (``storewarden
serve``) and its workers: ``require_controller`` says so when none runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from storewarden.domain.errors import ConfigInvalid, Refused, StorewardenError
from storewarden.domain.estate.device import Estate, read_estate
from storewarden.domain.rollout.record import Rollout, RolloutState
from storewarden.domain.rollout.spec import RolloutSpec
from storewarden.domain.rollout.tables import ENDED
from storewarden.flows.rollout_orders import Order, OrderParts, give
from storewarden.flows.rollout_parts import ROLLOUTS
from storewarden.flows.rollout_plan import asked_for, planned, undo_refusal, wanted_soak
from storewarden.flows.rollout_start import Begun, StartParts, StartRequest, start
from storewarden.ports.rollouts import RolloutBook, RolloutLine

if TYPE_CHECKING:
    from storewarden.domain.change.people import Person
    from storewarden.domain.rollout.plan import Plan
    from storewarden.flows.harden_ready import WorkDesk
    from storewarden.flows.rollout_stop import KillSwitch
    from storewarden.ports.ledger import JournalEntry
    from storewarden.wiring.site import Site


class Rollouts:
    """Opens, orders and reads the rollouts of a site. Methods raise the leaves of
    ``domain.errors``."""

    def __init__(self, site: Site) -> None:
        self._site = site

    @property
    def book(self) -> RolloutBook:
        """The rollouts of the ledger."""
        return self._site.ledger.rollouts

    def read(self, file: Path | str) -> RolloutSpec:
        """A rollout file. Raises ConfigInvalid with everything that is wrong in it."""
        from storewarden.wiring.rollout_files import read_file  # noqa: PLC0415 - pydantic, YAML

        return read_file(Path(file))

    def frozen(self, spec: RolloutSpec, change: str, desk: WorkDesk) -> Plan:
        """The plan of ``spec`` for the hosts of a change, as a start freezes it."""
        return self._frozen(spec, change, desk)[0]

    def _frozen(self, spec: RolloutSpec, change: str, desk: WorkDesk) -> tuple[Plan, Estate]:
        config = self._site.config
        found = self._site.inventory.resolve(
            config.inventory, vault_password=config.secrets.vault_password_file
        )
        items = desk.change(change).draft.items
        gone = [item.host for item in items if item.host not in found.hosts]
        if gone:
            raise Refused(f"no longer in the inventory: {', '.join(gone[:3])}", where=change)
        roles = set(spec.roles)
        hosts = [item.host for item in items if not roles or item.role in roles]
        whole = read_estate(found.hosts, available_timezones().__contains__)
        return planned(found, spec, hosts, whole), whole

    def start(
        self,
        wanted: RolloutSpec | Path | str,
        change: str,
        desk: WorkDesk,
        *,
        supersede: bool = False,
        emergency: bool = False,
        soak: timedelta | None = None,
    ) -> Begun:
        """Open a rollout on a change, as whoever stands at ``desk``. Asked twice, it is opened
        once. It begins when the change is approved and its windows are open."""
        from storewarden.wiring.changes import change_rules  # noqa: PLC0415
        from storewarden.wiring.rollout_parts import site_gates  # noqa: PLC0415 - httpx, 0.2 s

        spec = wanted if isinstance(wanted, RolloutSpec) else self.read(wanted)
        watched = None if soak is None else wanted_soak(soak)
        spec = asked_for(spec, emergency=emergency, soak=watched)
        plan, whole = self._frozen(spec, change, desk)
        pos_roles = frozenset(self._site.config.windows.pos_roles)
        parts = StartParts(
            book=self.book,
            desk=desk,
            clock=self._site.clock,
            gates=site_gates(self._site),
            zone=ZoneInfo(self._site.config.site.timezone),
            rules=change_rules(self._site),
            undo=lambda made: undo_refusal(made, whole, pos_roles),
            language=self._site.config.site.language,
            wake=self.wake,
        )
        return start(parts, StartRequest(change=change, plan=plan, supersede=supersede))

    def order(self, person: Person, wish: Order) -> Rollout:
        """Give an order: pause, resume, promote, abort, rollback, release, cancel. Raises Refused
        (recorded, with who tried) when it cannot be taken, or is not this person's to give."""
        from storewarden.wiring.changes import change_rules  # noqa: PLC0415
        from storewarden.wiring.rollout_parts import roles_of  # noqa: PLC0415

        parts = OrderParts(
            book=self.book,
            changes=self._site.changes,
            clock=self._site.clock,
            rules=change_rules(self._site),
            roles=lambda each: roles_of(self._site, each),
            wake=self.wake,
        )
        return give(parts, person, wish)

    def status(self, number: str) -> Rollout:
        """A rollout as it stands, with all its hosts."""
        self._site.require_ledger()
        found = self.book.rollout(number)
        if found is None:
            hint = "storewarden rollout list"
            raise ConfigInvalid("there is no such rollout", where=number[:60], hint=hint)
        return found

    def lines(
        self, *, states: Collection[RolloutState] = (), change: str = "", limit: int = 0
    ) -> tuple[RolloutLine, ...]:
        """Rollouts, newest first, without their hosts."""
        return self.book.lines(states=states, change=change, limit=limit)

    def history(self, number: str, *, after: int = 0) -> tuple[JournalEntry, ...]:
        """The journal entries of one rollout."""
        return self.book.history(number, after=after)

    def stop_all(self, person: Person, reason: str) -> None:
        """The kill switch: nothing new begins on any host until somebody lets it go on."""
        self._switch(lambda switch: switch.stop(person.id, reason))

    def go_on(self, person: Person, reason: str) -> None:
        """Take the kill switch back. Raises Refused while a STOP file lies there."""
        self._switch(lambda switch: switch.go_on(person.id, reason))

    def stopped(self) -> str:
        """Why nothing begins; "" when it may."""
        from storewarden.wiring.rollout_parts import kill_switch  # noqa: PLC0415

        return kill_switch(self._site)()

    def wake(self) -> None:
        """Let the running controller, if there is one, look at once."""
        from storewarden.wiring.controller import wake_controller  # noqa: PLC0415 - DBOS, 1 s

        try:
            wake_controller(self._site.config, ROLLOUTS)
        except StorewardenError:  # it looks by itself within half a minute
            return

    def require_controller(self) -> None:
        """Raises Refused when no controller runs here: nothing would happen."""
        from storewarden.wiring.controller import controller_at  # noqa: PLC0415 - DBOS, 1 s

        controller_at(self._site.config)

    def _switch(self, act: Callable[[KillSwitch], None]) -> None:
        from storewarden.wiring.rollout_parts import kill_switch  # noqa: PLC0415

        act(kill_switch(self._site))
        for line in self.lines(states=[each for each in RolloutState if each not in ENDED]):
            self.book.look_again(line.number, self._site.clock.now())
        self.wake()
