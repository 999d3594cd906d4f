# SPDX-License-Identifier: GPL-3.0-or-later
"""The heal action service: what the journal proves, what is restarted, and what is left to people.

The judgements themselves are the cases of roles/heal_service/meta/heal.yml.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError
from ansible_collections.storewarden.ops.plugins.module_utils.heal.service import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.systemd_units import (
    full_name,
    judged_history,
    matches,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import _defaults, diagnosed
from tests.unit.plugins.heal_bench import FAILED, STOPPED, HealBench, record

UNIT = "pos.service"
CHECK = {"name": "health", "kind": "command", "argv": ["test", "-e", "/nowhere"]}


@pytest.fixture
def bench(tmp_path: Path) -> HealBench:
    return HealBench(tmp_path)


def options(**more: Any) -> dict[str, Any]:
    return {**_defaults(OPTIONS), "unit": "pos", **more}


def looked(bench: HealBench, **more: Any) -> Any:
    """The diagnosis as act gets it."""
    asked = options(**more)
    return ACTION.diagnose(ACTION.facts(bench.host, asked), asked)


# -- the journal ---------------------------------------------------------------------------------


def test_both_messages_of_one_start_count_once() -> None:
    found = judged_history(
        [
            record("starting", 100, INVOCATION_ID="a"),
            record("started", 101, INVOCATION_ID="a"),
            record("started", 105, INVOCATION_ID="b"),
        ],
        since=90,
    )
    assert found == {"starts": 2, "stop_asked": False}


def test_starts_before_the_span_do_not_count() -> None:
    assert judged_history([record("started", 80, INVOCATION_ID="a")], since=90)["starts"] == 0


@pytest.mark.parametrize(("job", "asked"), [("stop", True), ("restart", False), (None, None)])
def test_only_a_stop_job_is_somebody(job: str | None, asked: bool | None) -> None:
    stopped = record("stopped", 120, **({"JOB_TYPE": job} if job else {}))
    found = judged_history([record("started", 100, INVOCATION_ID="a"), stopped], since=0)
    assert found["stop_asked"] is asked


def test_a_start_after_the_stop_takes_it_back() -> None:
    records = [record("stopped", 120, JOB_TYPE="stop"), record("started", 130, INVOCATION_ID="b")]
    assert judged_history(records, since=0)["stop_asked"] is False


def test_a_journal_without_the_unit_knows_nothing() -> None:
    assert judged_history([], since=0) == {"starts": None, "stop_asked": None}


# -- names ---------------------------------------------------------------------------------------


def test_a_name_without_a_type_is_a_service() -> None:
    assert (full_name("pos"), full_name("cups.socket")) == ("pos.service", "cups.socket")
    assert full_name("getty@tty1") == "getty@tty1.service"


@pytest.mark.parametrize("name", ["", "-H evil", "a b", "$(reboot)", "../x", "{{ x }}"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(HealError, match="no name of a unit"):
        full_name(name)


def test_a_pattern_without_a_type_means_a_service() -> None:
    assert matches("pos.service", ["pos"])
    assert matches("pos-sync.service", ["pos-*"])
    assert not matches("pos.socket", ["pos"])


# -- on a host -----------------------------------------------------------------------------------


def test_a_crashed_service_is_cleared_and_restarted(bench: HealBench) -> None:
    bench.unit(UNIT, **FAILED)
    bench.unit(UNIT, after=True)
    steps = ACTION.act(bench.host, looked(bench), options())
    assert bench.done() == [f"reset-failed -- {UNIT}", f"restart -- {UNIT}"]
    assert steps[-1].en == "restarted pos.service"
    assert ACTION.verify(bench.host, looked(bench)._replace(plan={"unit": UNIT}), options()).well


def test_evidence_is_the_journal_of_the_unit_without_secrets(bench: HealBench) -> None:
    bench.unit(UNIT, **FAILED)
    (bench.root / "journal").write_text("cannot log in with password=hunter2\n")
    told = diagnosed(ACTION, bench.host, options())
    assert told["evidence"][0] == {
        "name": "journal of pos.service",
        "text": "cannot log in with password=***\n",
    }


def test_nothing_is_done_when_it_has_recovered_meanwhile(bench: HealBench) -> None:
    bench.unit(UNIT, **FAILED)
    before = looked(bench)
    bench.unit(UNIT)
    assert ACTION.act(bench.host, before, options()) == []
    assert bench.done() == []


def test_nothing_is_done_when_somebody_stopped_it_meanwhile(bench: HealBench) -> None:
    bench.unit(UNIT, **FAILED)
    before = looked(bench)
    bench.unit(UNIT, **STOPPED)
    now = time.time()
    bench.journal(record("started", now - 50, INVOCATION_ID="a"))
    bench.journal(record("stopped", now - 5, JOB_TYPE="stop"))
    with pytest.raises(HealError, match="stopped on purpose"):
        ACTION.act(bench.host, before, options())
    assert bench.done() == []


def test_one_that_does_not_start_says_what_systemd_says(bench: HealBench) -> None:
    bench.unit(UNIT, **FAILED)
    with pytest.raises(HealError, match=r"could not be started: Job for pos\.service failed"):
        ACTION.act(bench.host, looked(bench), options())


def test_up_and_silent_is_restarted_only_when_nobody_uses_it(bench: HealBench) -> None:
    bench.unit(UNIT)
    assert looked(bench, probes=[CHECK]).state == "escalate"
    assert looked(bench, probes=[CHECK], busy_check=["false"]).state == "escalate"
    free = looked(bench, probes=[CHECK], busy_check=["true"])
    assert (free.state, free.plan["operation"]) == ("needed", "service-restart")
    # A program that is not there says nothing, so it does not say yes.
    assert looked(bench, probes=[CHECK], busy_check=["/no/such"]).state == "escalate"


def test_a_stop_that_ended_badly_is_still_a_stop(bench: HealBench) -> None:
    """As a Java program's 143: systemd calls the unit failed, and yet somebody stopped it."""
    bench.unit(UNIT, **FAILED)
    bench.journal(record("stopped", time.time(), JOB_TYPE="stop"))
    assert "stopped on purpose" in looked(bench).reason


def test_a_stopped_service_with_a_silent_journal_is_left_to_people(bench: HealBench) -> None:
    bench.unit(UNIT, **STOPPED)
    assert looked(bench).state == "escalate"
    # It was never up since the start of the host, so nobody can have stopped it.
    bench.unit(UNIT, **STOPPED, ActiveEnterTimestampMonotonic="0")
    assert looked(bench).state == "needed"


def test_a_condition_that_is_not_met_is_no_fault(bench: HealBench) -> None:
    bench.unit(UNIT, **STOPPED, ActiveEnterTimestampMonotonic="0", ConditionResult="no")
    assert "a condition of its unit is not met" in looked(bench).reason


def test_a_disabled_service_is_down_unless_something_starts_it(bench: HealBench) -> None:
    bench.unit(UNIT, **FAILED, UnitFileState="disabled", TriggeredBy="pos.socket")
    bench.unit("pos.socket", **STOPPED)
    assert looked(bench).state == "escalate"
    bench.unit("pos.socket")
    assert looked(bench).state == "needed"


def test_without_a_journal_systemds_own_count_has_to_do(bench: HealBench) -> None:
    bench.unit(UNIT, **FAILED, NRestarts="9")
    (bench.root / "no-journal").touch()
    assert "started 9 times" in looked(bench).reason


def test_up_for_a_moment_is_not_well(bench: HealBench) -> None:
    entered = int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6)
    bench.unit(UNIT, ActiveEnterTimestampMonotonic=str(entered))
    before = looked(bench)._replace(plan={"unit": UNIT})
    assert not ACTION.verify(bench.host, before, options(settle=1000.0)).well
    found = ACTION.verify(bench.host, before, options(settle=0.0, probes=[CHECK]))
    assert (found.well, "health" in found.reason, "health" in found.reason_zh) == (
        False,
        True,
        True,
    )


def test_a_check_that_cannot_be_meant_is_said(bench: HealBench) -> None:
    bench.unit(UNIT)
    with pytest.raises(HealError, match="probes: check 1: kind 'ping' is none of"):
        looked(bench, probes=[{"kind": "ping"}])


def test_a_host_without_systemd_says_so(bench: HealBench) -> None:
    (bench.root / "run/systemd/system").rmdir()
    with pytest.raises(HealError, match="systemd does not run this host"):
        looked(bench)
