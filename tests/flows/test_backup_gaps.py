# SPDX-License-Identifier: GPL-3.0-or-later
"""A gap in the backups on its way to a person: inbox, decision, incident, ticket, and closed again
when the gap is gone; all of it through the real ledger and the real duties."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from storewarden.domain.backup.catalog import Target
from storewarden.domain.backup.freshness import Coverage, Standing
from storewarden.domain.healing.incident import IncidentState, Needs
from storewarden.domain.healing.record import Stage
from storewarden.domain.healing.sla import PROMISES
from storewarden.flows.backup_gaps import GapParts, GapsTold, tell_gaps
from tests.flows.incident_place import IncidentPlace

MINUTE = timedelta(minutes=1)
TILL = "pos-001-1"


class GapPlace(IncidentPlace):
    """The chain, with backups that can be missing."""

    missing: Sequence[Standing] = ()

    def tell(self) -> GapsTold:
        parts = GapParts(standings=self._gaps, inbox=self.ledger.alerts)
        return tell_gaps(parts, self.clock.now())

    def _gaps(self, _now: datetime) -> Sequence[Standing]:
        return self.missing

    def lacks(self, *found: Standing) -> GapsTold:
        self.missing = found
        told = self.tell()
        self.pass_time(2 * MINUTE)
        return told


def gap(host: str = TILL, word: Coverage = Coverage.LATE, policy: str = "pos") -> Standing:
    target = Target(host=host, policy=policy)
    return Standing(target=target, coverage=word, en="30 h old", zh="已有 30 小时")


@pytest.fixture
def place(tmp_path: Path) -> GapPlace:
    return GapPlace(tmp_path)


def test_a_gap_calls_a_person_although_no_rule_answers_it(place: GapPlace) -> None:
    assert place.lacks(gap()) == GapsTold(firing=1, new=1, over=0)
    (alert,) = place.alerts()
    assert alert.stage is Stage.ESCALATED
    (incident,) = place.incidents
    assert incident.name == f"own:backup:pos@{TILL}" and incident.needs is Needs.PERSON
    assert incident.hosts == (TILL,)
    # guide 1.6.5: answered within half an hour
    assert PROMISES[incident.kind, incident.priority].answer == 30 * MINUTE
    assert f"backup pos on {TILL}: late: 30 h old" in "\n".join(
        (*place.notes(incident.number), place.heard)
    )


def test_the_same_gap_is_told_once_and_closes_what_it_opened(place: GapPlace) -> None:
    place.lacks(gap())
    assert place.lacks(gap()) == GapsTold(firing=1, new=0, over=0)
    assert len(place.alerts()) == 1 and len(place.incidents) == 1
    assert place.lacks() == GapsTold(firing=0, new=0, over=1)
    (incident,) = place.incidents
    assert incident.state in (IncidentState.SOLVED, IncidentState.CLOSED)
    assert place.ledger.verify().problems == ()


def test_a_gap_that_gets_worse_stays_one_incident(place: GapPlace) -> None:
    place.lacks(gap())
    place.lacks(gap(word=Coverage.FAILED))
    (incident,) = place.incidents
    assert len(incident.occurrences) == 2 and not incident.over
    place.lacks()
    assert place.incidents[0].state is not IncidentState.OPEN


def test_the_whole_chain_without_backups_is_one_incident_with_a_count(place: GapPlace) -> None:
    place.lacks(*(gap(f"pos-{n:04}-1") for n in range(3000)), gap(policy="files"))
    assert len(place.alerts()) == 2
    assert {each.name for each in place.incidents} == {
        "own:backup:pos", f"own:backup:files@{TILL}",
    }  # fmt: skip
    assert "3000 targets have gaps" in place.heard + "".join(
        note for each in place.incidents for note in place.notes(each.number)
    )


def test_gaps_stop_no_repair_of_tills(place: GapPlace) -> None:
    """They are no storm: a till that is down at the same time is repaired all the same."""
    place.lacks(*(gap(f"pos-{n:04}-1") for n in range(15)), gap("pos-001-1"), gap("pos-001-2"))
    place.send(TILL)
    place.pass_time(5 * MINUTE)
    assert place.repaired == [TILL]


def test_a_controller_that_is_killed_in_between_tells_nothing_twice(place: GapPlace) -> None:
    place.missing = [gap()]
    place.tell()
    place.restart()
    assert place.tell() == GapsTold(firing=1, new=0, over=0)
    place.pass_time(2 * MINUTE)
    assert len(place.incidents) == 1


def test_nothing_is_over_because_nobody_could_say(place: GapPlace) -> None:
    place.lacks(gap())

    def broken(_now: datetime) -> Sequence[Standing]:
        raise OSError("the catalog cannot be read")

    with pytest.raises(OSError, match="cannot be read"):
        tell_gaps(GapParts(standings=broken, inbox=place.ledger.alerts), place.clock.now())
    assert len(place.ledger.alerts.firing("storewarden")) == 1
