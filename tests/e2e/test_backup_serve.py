# SPDX-License-Identifier: GPL-3.0-or-later
"""Nights in a real controller: what is due is done by it alone, and a death costs nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from storewarden.domain.backup.catalog import Run, RunEnd, Verb
from storewarden.domain.backup.policy import Level
from storewarden.domain.healing.incident import IncidentState
from storewarden.wiring import Site
from tests.e2e.own_place import OwnPlace, laid_out, taken_down
from tests.e2e.serve_site import Service, until
from tests.servers.desk import Desk, section

pytestmark = [pytest.mark.slow, pytest.mark.full]  # the duty looks once a minute

PLACES = {"store", "second", "third"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A ticket system."""
    found = Desk(tmp_path / "desk.jsonl")
    found.start()
    yield found
    found.kill()


@pytest.fixture
def place(tmp_path: Path, desk: Desk) -> Iterator[OwnPlace]:
    found = laid_out(tmp_path, tickets=section(desk.port))
    yield found
    taken_down(found)


@pytest.fixture
def service(place: OwnPlace) -> Iterator[Service]:
    found = Service(place.folder)
    yield found
    found.kill()


def begin(service: Service, place: OwnPlace) -> None:
    """Serve, with the programs of backups at hand."""
    service.start(environment={"PATH": place.environment()["PATH"]})


def runs(site: Site, verb: Verb) -> tuple[Run, ...]:
    return tuple(each for each in site.ledger.backups.runs() if each.verb is verb)


def read_everywhere(site: Site) -> bool:
    """Whether the set was copied, and every byte of it was read in each place."""
    sets = site.ledger.backups.sets()
    return (
        bool(sets)
        and {copy.location for copy in sets[0].copies if copy.level >= Level.READ} == PLACES
    )


def test_the_duty_does_it_alone_and_dies_in_the_middle(place: OwnPlace, service: Service) -> None:
    jobs = place.folder / "state" / "own-backups" / "runs"
    begin(service, place)
    with service.site() as site:
        assert until(lambda: any(jobs.glob("*/begun.json"))), service.log()
        service.kill()
        begin(service, place)
        assert until(lambda: read_everywhere(site)), service.log()[-3000:]
        taken = runs(site, Verb.TAKE)
        assert [each.end for each in taken] == [RunEnd.DONE], taken
        assert len(site.ledger.backups.sets()) == 1
        copied = [each.location for each in runs(site, Verb.COPY)]
        assert sorted(copied) == ["second", "third"]
        assert service.end(signal.SIGTERM) == 0
        assert site.ledger.verify().problems == ()
    covered = place.run("backup", "coverage", "--host", "controller", "--json")
    assert covered.code == 0, covered.out


def test_what_fails_is_an_incident_until_there_is_a_good_set(
    place: OwnPlace, service: Service, desk: Desk
) -> None:
    service.start()  # restic is not in its PATH
    with service.site() as site:
        assert until(lambda: any(each.end for each in runs(site, Verb.TAKE))), service.log()
        (failed,) = runs(site, Verb.TAKE)
        assert (failed.end, "restic" in failed.reason) == (RunEnd.FAILED, True), failed

        def incidents(state: IncidentState) -> list[str]:
            found = site.ledger.incidents.incidents()
            return [each.number for each in found if each.state is state]

        assert until(lambda: bool(incidents(IncidentState.OPEN))), service.log()[-3000:]
        (number,) = incidents(IncidentState.OPEN)
        assert until(lambda: number in desk.notes()), desk.notes()
        service.kill()

        place.told("backup", "run", "controller")
        place.told("backup", "copy", "controller")
        place.told("backup", "verify", "controller")
        begin(service, place)
        assert until(lambda: incidents(IncidentState.SOLVED) == [number]), service.log()[-3000:]
        assert service.end(signal.SIGTERM) == 0
