# SPDX-License-Identifier: GPL-3.0-or-later
"""One host goes first: what locks people out locks them out of one till, not of a chain."""

from __future__ import annotations

import pytest

from storewarden.domain.baseline.harden import HostState
from storewarden.flows.harden_ready import FIX
from storewarden.ports.runner import PlaybookRun
from storewarden.testing.runner import FakeRunner, Scripted
from tests.flows.harden_place import Act, HardenPlace

HOSTS = ("pos01", "pos02", "srv01")


def place() -> HardenPlace:
    return HardenPlace(**{name: {"A01", "B02"} for name in HOSTS})


def fixed(found: HardenPlace) -> list[tuple[str, ...]]:
    """The hosts of each run that made fixes, in the order of the runs."""
    return [tuple(run.inventory.hosts) for run in found.runner.started if run.playbook == FIX]


def at(host: str, outcome: str) -> Act:
    def act(name: str, group: str) -> dict[str, object] | None:
        if (name, group) != (host, "ssh"):
            return None
        return {"outcome": outcome, "restore_point": "p", "controls": [{"id": "B02"}]}

    return act


def test_one_host_goes_first_and_the_others_follow() -> None:
    found = place()
    report = found.start(found.change().number)
    assert fixed(found) == [("pos01",), ("pos02",)]
    assert report.conclusion.good


@pytest.mark.parametrize("outcome", ["undone", "lost"])
def test_when_the_first_was_not_kept_nobody_else_is_touched(outcome: str) -> None:
    found = place()
    found.fleet.act = at("pos01", outcome)
    number = found.change().number
    report = found.start(number)
    assert fixed(found) == [("pos01",)]
    assert found.fleet.failing["pos02"] == {"A01", "B02"}
    other = next(host for host in report.hosts if host.host == "pos02")
    assert other.state is HostState.SKIPPED
    assert "pos01 went first and was not kept" in other.message
    assert "pos01 went first" in next(
        host.message for host in found.status(number).hosts if host.host == "pos02"
    )


def test_a_group_that_could_not_be_made_warns_nobody() -> None:
    found = place()
    found.fleet.act = at("pos01", "refused")
    found.start(found.change().number)
    assert fixed(found) == [("pos01",), ("pos02",)]


def test_a_host_that_went_away_since_the_audit_is_not_the_first() -> None:
    found = place()

    def gone_before_the_fix(run: PlaybookRun) -> Scripted:
        if run.playbook == FIX:
            found.fleet.gone = {"pos01"}
        return found.fleet.script(run)

    found.runner = FakeRunner(gone_before_the_fix)
    report = found.start(found.change().number)
    assert fixed(found) == [("pos01",), ("pos02",)]
    states = {host.host: host.state for host in report.hosts}
    assert states == {"pos01": HostState.UNREACHABLE, "pos02": HostState.ANSWERED}
