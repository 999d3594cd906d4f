# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts of a configuration to real hosts, by a real controller that is killed on the way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from storewarden.cli.exits import Exit
from storewarden.domain.change.record import Outcome
from storewarden.domain.rollout.events import Dispatched
from storewarden.domain.rollout.plain import event_of
from storewarden.domain.rollout.record import Phase, RolloutState
from storewarden.ports.runner import RunPhase
from tests.e2e.rollout_site import RolloutSite, rollout_site
from tests.e2e.serve_site import Service, until
from tests.lab.fleet import Lab

pytestmark = pytest.mark.slow

GOOD = "version = 2\nprices = on\n"
BAD = "version = 3\nprices = off\n"


@pytest.fixture(scope="module")
def place(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RolloutSite]:
    """Three tills, a store each."""
    tills = [host for host in lab.hosts if host.role == "pos"][:3]
    with rollout_site(lab, tills, tmp_path_factory.mktemp("site")) as made:
        yield made
    for host in tills:
        host.reset()


def dispatched(place: RolloutSite, number: str) -> list[tuple[Phase, str]]:
    """Phase and host of every dispatch, in order."""
    entries = place.site.ledger.rollouts.history(number)
    events = [event_of(each.run, each.kind, each.at, each.body) for each in entries]
    sent = [event.what.dispatch for event in events if isinstance(event.what, Dispatched)]
    return [(one.phase, host) for one in sent for host in one.hosts]


@pytest.mark.lab
def test_a_good_release_survives_the_death_of_its_controller(place: RolloutSite) -> None:
    """Killed in the middle of the canary's change: the next controller adopts the run, and every
    host is changed once."""
    change = place.change()
    number = place.start(change, place.file(GOOD))

    def changing() -> bool:
        """A run that lives may not have begun: killed then, it is lost and the change done anew."""
        under_way, runner = place.rollout(number).dispatches.values(), place.site.runner
        changes = {one.id for one in under_way if one.phase is Phase.APPLY}
        runs = runner.recover() if changes else ()
        live = (run for run in runs if run.label in changes and run.phase is RunPhase.LIVE)
        return any(event.kind == "task" for run in live for event in runner.follow(run.run_id))

    assert until(changing), place.service.log()[-3000:]
    place.service.end(signal.SIGKILL)
    place.service.start()

    assert until(lambda: place.rollout(number).state is RolloutState.COMPLETED), (
        place.rollout(number),
        place.service.log()[-3000:],
    )
    assert set(place.settings().values()) == {GOOD}
    sent = dispatched(place, number)
    applied = [host for phase, host in sent if phase is Phase.APPLY]
    assert sorted(applied) == sorted(host.name for host in place.hosts)
    assert until(lambda: _outcome(place, change) is Outcome.SUCCESSFUL)
    assert not place.site.ledger.verify().problems


@pytest.mark.lab
def test_a_bad_release_stops_at_the_canary_and_goes_back_by_itself(place: RolloutSite) -> None:
    """Its service does not answer any more: one host saw it, and has its settings back."""
    before = place.settings()
    change = place.change()
    number = place.start(change, place.file(BAD, within=3))
    ends = (RolloutState.ROLLED_BACK, RolloutState.ROLLED_BACK_WITH_DEBT)
    assert until(lambda: place.rollout(number).state in ends), place.service.log()[-3000:]
    assert place.rollout(number).state is RolloutState.ROLLED_BACK
    assert place.settings() == before
    applied = {host for phase, host in dispatched(place, number) if phase is Phase.APPLY}
    assert len(applied) == 1
    assert until(lambda: _outcome(place, change) is Outcome.ROLLED_BACK)


def _outcome(place: RolloutSite, number: str) -> Outcome | None:
    found = place.site.changes.change(number)
    return None if found is None else found.outcome


def test_a_worker_needs_a_server_and_a_start_needs_a_controller(tmp_path: Path) -> None:
    """Both say so in one line, and nothing is begun."""
    service = Service(tmp_path)
    service.settings(inventory=["hosts.yml"])
    (tmp_path / "hosts.yml").write_text("all: {hosts: {a: {}}}\n")
    (tmp_path / "rollout.yml").write_text("payload: config\n")

    worker = service.run("worker")
    assert worker.returncode == Exit.USAGE
    assert "a worker needs a ledger on PostgreSQL" in worker.stderr
    started = service.run("rollout", "start", "rollout.yml", "--change", "GMBG-20260601-001")
    assert started.returncode == Exit.REFUSED
    assert "no controller runs here" in started.stderr
    assert "Traceback" not in worker.stderr + started.stderr
