# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run came to, for every kind of evidence."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from storewarden.adapters.ansible.verdict import Ending, Evidence, Track, fold, judge
from storewarden.ports.runner import HostStatus, RunOutcome

_HERE = "/ours"


def _evidence(**more: object) -> Evidence:
    given: dict[str, object] = {
        "planned": ("a", "b"),
        "free": ("a", "b"),
        "busy": {},
        "ending": Ending.ENDED,
        "rc": 0,
        "collection": _HERE,
    }
    return Evidence(**(given | more))  # type: ignore[arg-type]


def _started(*more: Mapping[str, object], hosts: tuple[str, ...] = ("a", "b")) -> Track:
    head = [{"kind": "loaded", "collection": _HERE}, {"kind": "play", "hosts": list(hosts)}]
    return fold([*head, *more])


def _touched(*names: str) -> list[dict[str, object]]:
    return [{"kind": "touched", "host": name} for name in names]


def _stats(**counts: Mapping[str, int]) -> dict[str, object]:
    processed = {name: 1 for found in counts.values() for name in found}
    return {"kind": "stats", "dropped": 0, "processed": processed, **counts}


def _statuses(evidence: Evidence, track: Track) -> dict[str, HostStatus]:
    return {name: host.status for name, host in judge(evidence, track)[2].items()}


def test_the_recap_decides_and_the_worst_count_wins() -> None:
    counts = _stats(
        ok={"a": 3, "b": 3, "c": 1, "d": 1}, changed={"b": 1, "c": 1}, failures={"c": 1}
    )
    counts["dark"] = {"d": 1}
    names = ("a", "b", "c", "d")
    evidence = _evidence(planned=names, free=names)
    track = _started(counts, hosts=names)
    assert judge(evidence, track)[:2] == (RunOutcome.COMPLETED, "")
    assert _statuses(evidence, track) == {
        "a": HostStatus.OK,
        "b": HostStatus.CHANGED,
        "c": HostStatus.FAILED,
        "d": HostStatus.UNREACHABLE,
    }


def test_a_good_exit_status_without_a_recap_is_not_believed() -> None:
    outcome, error, hosts = judge(_evidence(rc=0), _started(*_touched("a")))
    assert outcome is RunOutcome.UNKNOWN
    assert "recap" in error
    assert hosts["a"].status is HostStatus.UNKNOWN
    assert hosts["b"].status is HostStatus.SKIPPED


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [(Ending.CANCELLED, RunOutcome.CANCELLED), (Ending.TIMED_OUT, RunOutcome.TIMED_OUT)],
)
def test_a_stopped_run_keeps_what_was_final(ending: Ending, outcome: RunOutcome) -> None:
    names = ("bad", "away", "rescued", "middle", "never")
    track = _started(
        *_touched("bad", "away", "rescued", "middle"),
        {"kind": "host_failed", "host": "bad", "task": "t", "message": "no"},
        {"kind": "host_unreachable", "host": "away", "task": "t", "message": "gone"},
        {"kind": "host_failed", "host": "rescued", "task": "t", "message": "no"},
        {"kind": "host_ok", "host": "rescued", "task": "rescue"},
        {"kind": "host_ok", "host": "middle", "task": "t"},
        hosts=names,
    )
    evidence = _evidence(planned=names, free=names, ending=ending, rc=254)
    assert judge(evidence, track)[0] is outcome
    assert _statuses(evidence, track) == {
        "bad": HostStatus.FAILED,
        "away": HostStatus.UNREACHABLE,
        "rescued": HostStatus.UNKNOWN,
        "middle": HostStatus.UNKNOWN,
        "never": HostStatus.SKIPPED,
    }
    assert judge(evidence, track)[2]["bad"].message == "no"


def test_a_lost_run_is_unknown_on_every_host_it_may_have_touched() -> None:
    evidence = _evidence(ending=Ending.LOST, rc=None, playing=True)
    outcome, error, hosts = judge(evidence, _started())
    assert outcome is RunOutcome.UNKNOWN
    assert "still runs" in error
    assert {host.status for host in hosts.values()} == {HostStatus.UNKNOWN}


def test_a_lost_run_whose_play_wrote_its_recap_keeps_the_hosts() -> None:
    evidence = _evidence(ending=Ending.LOST, rc=None)
    track = _started(_stats(ok={"a": 1, "b": 1}))
    assert judge(evidence, track)[0] is RunOutcome.UNKNOWN
    assert set(_statuses(evidence, track).values()) == {HostStatus.OK}


@pytest.mark.parametrize(
    ("evidence", "track", "words"),
    [
        (_evidence(free=()), fold([]), "no host was free"),
        (_evidence(rc=127, cause="x: not found"), fold([]), "could not be started: x: not found"),
        (_evidence(rc=4, cause="f.yml:3: bad"), fold([]), "f.yml:3: bad"),
        (_evidence(free=None, rc=1), fold([]), "ended with status 1"),
        (_evidence(), _started(_stats(), hosts=()), "matched no host"),
        (_evidence(), _started(_stats(ok={"a": 1}), hosts=("a",)), "left out planned hosts: b"),
        (_evidence(), _started(_stats(ok={"a": 1, "z": 1})), "outside its plan: z"),
        (_evidence(), _started(_stats()), "no task"),
        (_evidence(), fold([{"kind": "loaded", "collection": "/stale"}]), "/stale instead"),
        (_evidence(), _started({"kind": "refused", "message": "not planned"}), "not planned"),
    ],
)  # fmt: skip
def test_errors_of_their_own(evidence: Evidence, track: Track, words: str) -> None:
    outcome, error, hosts = judge(evidence, track)
    assert outcome is RunOutcome.ERROR
    assert words in error
    assert set(hosts) == {"a", "b"}


def test_busy_hosts_say_why_whatever_happened() -> None:
    evidence = _evidence(free=("a",), busy={"b": "busy: leased by night"})
    outcome, _, hosts = judge(evidence, _started(_stats(ok={"a": 1}), hosts=("a",)))
    assert outcome is RunOutcome.COMPLETED
    assert (hosts["b"].status, hosts["b"].message) == (HostStatus.SKIPPED, "busy: leased by night")


def test_lost_events_are_not_hidden() -> None:
    stats = _stats(ok={"a": 1, "b": 1}) | {"dropped": 2}
    outcome, error, _ = judge(_evidence(), _started(stats))
    assert outcome is RunOutcome.UNKNOWN
    assert "2 events could not be written" in error


def test_reports_merge_key_by_key() -> None:
    parts = [{"audit": {"A01": 1}}, {"audit": {"A02": 2}, "x": [1]}, {"x": [2]}]
    events = [{"kind": "host_ok", "host": "a", "report": part} for part in parts]
    track = _started(*events, _stats(ok={"a": 1, "b": 1}))
    report = judge(_evidence(), track)[2]["a"].report
    assert report == {"audit": {"A01": 1, "A02": 2}, "x": [2]}
