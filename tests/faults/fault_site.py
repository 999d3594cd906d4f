# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain on lab hosts with a controller of its own, for rollouts to which something happens.

Its payload is the tests' ``trial``: a job on the host writes a line into a counter that no restore
point knows, waits as long as the test holds it, and then writes the version into the file that the
restore point keeps. So a test decides what is going on when something breaks, and counts
afterwards how often the change was begun on the host itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from storewarden.adapters.service import ServiceClient
from storewarden.domain.change.commands import Approve, ApproveOverride, AskOverride
from storewarden.domain.change.record import Change, Kind, Risk, RollbackPlan, Span
from storewarden.domain.rollout.events import Dispatched, RolloutEvent
from storewarden.domain.rollout.plain import event_of
from storewarden.domain.rollout.record import HostRecord, HostState, Phase, Rollout, RolloutState
from storewarden.flows.change_desk import ChangeDesk, ChangeRequest
from storewarden.ports.secrets import Secret
from storewarden.wiring import Site
from tests.e2e.change_service import PEOPLE, token_for
from tests.e2e.payload_plays import TRIAL_FILE, write_trial
from tests.e2e.serve_site import Service
from tests.faults.fault_place import COUNT, HOLD, OLD, Place
from tests.lab.shape import connection

__all__ = ["ENDS", "LONG", "Chain", "Going", "Place", "came", "chain_of", "lay_out", "script"]

LONG = timedelta(minutes=20)
"""Patience with everything: hosts are asked again only after a while, and the machine may be slow.
Nothing is timed."""

_STEP = 0.3  # seconds between two looks at the ledger

_PATIENT = {"preflight": "3m", "apply": "3m", "judge": "3m", "undo": "3m"}
"""A run of the trial is not ended for being slow before it has had eight minutes."""

ENDS = (
    RolloutState.COMPLETED,
    RolloutState.COMPLETED_WITH_STRAGGLERS,
    RolloutState.ROLLED_BACK,
    RolloutState.ROLLED_BACK_WITH_DEBT,
)
_SHOWS = {
    **dict.fromkeys((HostState.SOAKING, HostState.AT_TARGET, HostState.FINAL), "new"),
    **dict.fromkeys((HostState.RESTORED, HostState.PLANNED, HostState.CAPTURED), "old"),
}
"""What must be on a host of which the ledger says so."""


def came(condition: Callable[[], bool], patience: timedelta = LONG) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + patience.total_seconds()
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(_STEP)
    return True


def script(version: str) -> str:
    """What the change does on a host."""
    return (
        f"echo {version} >> {COUNT}; while test -e {HOLD}; do sleep 0.2; done;"
        f"echo {version} > {TRIAL_FILE}"
    )


@dataclass(slots=True)
class Chain:
    """The folder of a site with its controller; ``site`` is open beside it, for one thread."""

    service: Service
    places: Mapping[str, Place]
    site: Site = field(repr=False)
    _count: int = 0

    @property
    def folder(self) -> Path:
        """Where ``storewarden.yml`` lies."""
        return self.service.folder

    def change(self, *places: Place, window: Span | None = None) -> str:
        """An approved change over these devices that may begin at any hour; its number."""
        self._count += 1
        key = f"{places[0].name}-{self._count}"
        desk = self._desk("op.one")
        request = ChangeRequest(
            summary="Trial",
            kind=Kind.STANDARD,
            risk=Risk.LOW,
            reason="prices",
            hosts=tuple(place.name for place in places),
            plan="storewarden rollout start",
            rollback=RollbackPlan(trigger="no prices", steps="by itself", owner="op.one"),
            operation="configuration",
            window=window,
        )
        number = desk.open(key, request).number
        expires = datetime.now(UTC) + timedelta(hours=6)
        desk.act(number, key, AskOverride(reason="a test runs at any hour", expires=expires))
        for person in ("lead", "sec"):
            self._desk(person).act(number, key, ApproveOverride())
        self._desk("head").act(number, key, Approve())
        return number

    def begin(self, version: str, *places: Place, change: str = "", **more: Any) -> Going:
        """`storewarden rollout start` of ``version``; ``more`` are keys of its file."""
        number = change or self.change(*places)
        words = more.pop("words", ())
        done = self.start(self.file(version, **more), number, *words)
        assert done.returncode == 0, done.stderr
        return Going(self, str(json.loads(done.stdout)["rollout"]), number, places, version)

    def start(self, file: Path, change: str, *words: str) -> subprocess.CompletedProcess[str]:
        """`storewarden rollout start`, whatever comes of it."""
        return self.cli("rollout", "start", str(file), "--change", change, "--json", *words)

    def file(self, version: str, **more: Any) -> Path:
        """A rollout file."""
        good = more.pop("good", True)
        own = {} if "payload" in more else {"timing": _PATIENT}
        body = {
            "payload": "trial",
            "options": {"script": script(version), "good": good},
            "waves": ["1 store", "rest at once"],
            "soak": {"wall": "2s", "trading": "0"},
            "gates": ["probe"],
            "salt": "lab",
            "budgets": {"region": "100%", "single_consent": True},
            "deadline": "10m",  # a slow judge finds the change still there
            **own,
            **more,
        }
        self._count += 1
        path = self.folder / f"{version}-{id(self)}-{self._count}.yml"
        path.write_text(yaml.safe_dump(body))
        return path

    def cli(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """The command line of op.one; patient, for a machine may be busy with other tests."""
        words = (*argv, "--token-file", str(self.folder / "op.one.token"))
        return subprocess.run(
            [str(Path(sys.executable).parent / "storewarden"), *words],
            cwd=self.folder,
            env=self.service.environment(),
            capture_output=True,
            text=True,
            timeout=LONG.total_seconds(),
            check=False,
        )

    def order(self, order: str, rollout: str) -> None:
        """An order of op.one that is taken. Raises the leaves of ``domain.errors``."""
        self._count += 1
        token = Secret((self.folder / "op.one.token").read_text().strip())
        body = {"order": order, "reason": "as the test wants it", "host": ""}
        with ServiceClient(self.service.url, token) as client:
            client.write(f"/rollouts/{rollout}/orders", body, f"{order}-{self._count}")

    def found(self, number: str) -> Change:
        """The change as it stands."""
        found = self.site.changes.change(number)
        assert found is not None
        return found

    def _desk(self, person: str) -> ChangeDesk:
        found = self.site.people.person(person)
        assert found is not None
        return self.site.change_desk(found)


@dataclass(frozen=True, slots=True)
class Going:
    """A rollout on its way."""

    chain: Chain
    number: str
    change: str
    places: tuple[Place, ...]
    version: str

    @property
    def now(self) -> Rollout:
        """As it stands in the ledger."""
        found = self.chain.site.ledger.rollouts.rollout(self.number)
        assert found is not None
        return found

    def host(self, place: Place) -> HostRecord:
        """One device of it."""
        return self.now.hosts[place.name]

    @property
    def canary(self) -> Place:
        """Whose turn is first."""
        return next(place for place in self.places if self.host(place).wave == 1)

    @property
    def later(self) -> Place:
        """Whose turn is last."""
        last = len(self.now.waves)
        return next(place for place in self.places if self.host(place).wave == last)

    def comes_to(self, *states: RolloutState, patience: timedelta = LONG) -> Rollout:
        """Wait for one of these states; what is claimed on the way must be so."""
        assert came(lambda: self.now.state in states, patience), self.story()
        return self.now

    def sees(self, place: Place, *states: HostState) -> None:
        """Wait until the ledger says so of a device."""
        assert came(lambda: self.host(place).state in states), self.story()

    def works_on(self, place: Place) -> None:
        """Wait until the change is under way on the host itself."""
        assert came(place.comes_to_work), self.story()

    def events(self) -> list[RolloutEvent]:
        """Everything that happened."""
        entries = self.chain.site.ledger.rollouts.history(self.number)
        return [event_of(each.run, each.kind, each.at, each.body) for each in entries]

    def sent(self, phase: Phase, place: Place | None = None) -> list[str]:
        """The dispatches of a phase, to a device if one is named."""
        found = (e.what.dispatch for e in self.events() if isinstance(e.what, Dispatched))
        return [
            one.id
            for one in found
            if one.phase is phase and (place is None or place.name in one.hosts)
        ]

    def place_of(self, dispatch: str) -> int:
        """Where in the order of all dispatches one is."""
        return int(dispatch.rpartition("-d")[2])

    def honest(self, *places: Place) -> None:
        """What the ledger claims of hosts (of all, if none is named) is what is on them, on none of
        them anything was begun oftener than it was dispatched, and the journal is whole."""
        for place in places or self.places:
            seen, claim = place.look(), _SHOWS.get(self.host(place).state)
            if claim is not None:
                expected = self.version if claim == "new" else OLD
                assert seen.version == expected, (place.name, claim, self.story())
            sent = self.sent(Phase.APPLY, place)
            assert seen.begun.count(self.version) <= len(sent), (seen.begun, self.story())
        self.journal()

    def journal(self) -> None:
        """The journal is whole."""
        found = self.chain.site.ledger.verify()
        assert not found.problems, found.problems

    def completed(self) -> None:
        """It ended well: every host changed once, nothing waits on any of them."""
        self._ended(RolloutState.COMPLETED, self.version)

    def rolled_back(self) -> None:
        """It ended where it began."""
        self._ended(RolloutState.ROLLED_BACK, OLD)

    def _ended(self, state: RolloutState, version: str) -> None:
        self.comes_to(*ENDS)
        assert self.now.state is state, self.story()
        seen = [place.look() for place in self.places]
        assert [each.version for each in seen] == [version] * len(seen), self.story()
        assert not any(each.timers for each in seen), seen
        self.honest()

    def story(self) -> str:
        """For a message: hosts, the last happenings, the controller's last words."""
        rollout = self.now
        hosts = [f"{h.name} {h.state.value} {h.reason}" for h in rollout.hosts.values()]
        told = [f"{e.at:%H:%M:%S} {str(e.what)[:300]}" for e in self.events()[-14:]]
        head = f"{rollout.number} {rollout.state.value} {rollout.held}"
        return "\n".join(["", head, *hosts, *told, self.chain.service.log()[-1500:]])


def _inventory(places: Sequence[Place]) -> dict[str, Any]:
    hosts = {
        place.name: {
            "ansible_host": place.host.address,
            "sw_store": place.store,
            "sw_region": "east",
            "sw_role": "till",
            "sw_ci": f"CI-{place.name}",
            "sw_tier": "ordinary",
            "sw_failure_groups": list(place.groups),
            "sw_tz": "Asia/Shanghai",
            "sw_hours": "closed",
        }
        for place in places
    }
    return {"all": {"vars": connection(places[0].host.lab.places), "hosts": hosts}}


def lay_out(folder: Path, places: Sequence[Place], **sections: object) -> Service:
    """The site's folder, with ``sections`` in its settings; nothing runs yet."""
    folder.mkdir(parents=True, exist_ok=True)
    write_trial(folder / "roles")
    (folder / "ansible.cfg").write_text("[defaults]\nroles_path = roles\n")
    (folder / "hosts.yml").write_text(yaml.safe_dump(_inventory(places)))
    (folder / "people.yml").write_text(PEOPLE)
    service = Service(folder)
    service.settings(inventory=["hosts.yml"], people={"file": "people.yml"}, **sections)
    with service.site() as site:
        token = folder / "op.one.token"
        token.touch(mode=0o600)
        token.write_text(token_for(site, "op.one") + "\n")
    return service


@contextmanager
def chain_of(service: Service, places: Sequence[Place]) -> Iterator[Chain]:
    """The chain as one thread sees it; its controller is whoever runs in ``service``."""
    with service.site() as site:
        yield Chain(service, {place.name: place for place in places}, site)
