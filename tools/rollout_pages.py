# SPDX-License-Identifier: GPL-3.0-or-later
"""The page docs/reference/rollout-states.md, made from the tables that decide."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum

from change_pages import member_table

from storewarden.domain.rollout import (
    course,
    dispatching,
    events,
    failing,
    holding,
    record,
    rollback,
    settling,
    waving,
)
from storewarden.domain.rollout.orders import ORDERS, PACK_LIFE
from storewarden.domain.rollout.outcomes import OUTCOMES
from storewarden.domain.rollout.record import HostState, Phase, RolloutState, WaveState
from storewarden.domain.rollout.tables import ENDED, HOST, LINGERING, ROLLOUT, WAVE

_INTRO = """\
# States of a rollout, its waves and its hosts

Made from `python/storewarden/domain/rollout/` by `make docs`. The same tables decide what may follow what, check every
entry that is read back from the journal, and draw this page. A rollout is never edited: events happen to it, each is one
entry of the journal (`rollout <event>`), and the rollout is what they add up to.

## The rollout
"""

_WAVE = """\
## A wave

Only a passed gate, or a person by name, promotes a wave. The soak counts wall time and the minutes in which the wave's
stores were open; the emergency lane shortens it, and nothing else.
"""

_HOST = """\
## A host

A host is busy with one dispatch at most. A failed or lost run says nothing about it: a probe does, with a higher epoch,
so that the lost run has no say any more. `at_target` and `restored` are written only after a report that looked at the
host's fingerprint. `offline_untouched` counts as away in pairs, lanes and regions; in all of its failure groups a host
holds its slot while it is {slots}.
"""

_OUTCOMES = """\
## What a report makes of a host

Every pair that is not in this table makes the host `unknown`. A probe that finds a host armed, with its change
complete, leads to `verifying`; with half of it, to `applying`, and then it is taken back. A verified host
of which nothing is there to take back with needs attention, and is never called restored. A run that
was never started (it waited too long for a free one, or the kill switch came first) leaves its hosts as
they stood before: no try is counted.
"""

_RULES = """\
## Numbers

| rule | value |
|---|---|
{numbers}

## Orders

{orders}.

Each needs a reason. A refused order is recorded with its refusal and changes nothing; who may give which is in
[watch and order](../operators/rollout-watch.md#who-may). No order ends a run that is under way on a host. After the
end only `release` is taken, and `rollback` of a completed rollout while its hosts keep their restore points ({life} days).
"""


def rollout_states() -> str:
    """The whole page."""
    parts = [
        _INTRO,
        *_diagram(ROLLOUT, RolloutState.DRAFT, "planned and recorded", ENDED - LINGERING),
        "",
        *member_table(record, RolloutState, "state"),
        "",
        _WAVE,
        *_diagram(WAVE, WaveState.PENDING, "planned", {WaveState.PROMOTED, WaveState.FAILED}),
        "",
        *member_table(record, WaveState, "state"),
        "",
        _HOST.format(slots=_names(dispatching.SLOTS)),
        *_diagram(_host_moves(), HostState.PLANNED, "planned", {HostState.FINAL}),
        "",
        "Left out of the picture: each state of a touched host leads to `undoing`, most to `attention`.",
        "",
        *member_table(record, HostState, "state"),
        "",
        _OUTCOMES,
        *_outcomes(),
        "",
        *member_table(events, events.Report, "report"),
        "",
        _RULES.format(numbers="\n".join(_numbers()), orders=_names(ORDERS), life=PACK_LIFE.days),
    ]
    return "\n".join(parts)


def _host_moves() -> Mapping[tuple[HostState, HostState], str]:
    """All moves but those that nearly every state has."""
    common = {"undo dispatched", "tried too often", "a probe found it so", "released by a person"}
    kept = {move: why for move, why in HOST.items() if why not in common}
    kept[HostState.SOAKING, HostState.UNDOING] = "undo dispatched"
    kept[HostState.UNKNOWN, HostState.VERIFYING] = "a probe found it so"
    kept[HostState.UNKNOWN, HostState.RESTORED] = "a probe found it so"
    kept[HostState.OFFLINE_TOUCHED, HostState.RESTORED] = "a probe found it so"
    kept[HostState.ATTENTION, HostState.SKIPPED] = "released by a person"
    return kept


def _diagram[S: Enum](
    moves: Mapping[tuple[S, S], str], first: S, how: str, ends: set[S] | frozenset[S]
) -> list[str]:
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first.value}: {how}"]
    lines += [
        f"    {before.value} --> {after.value}: {why.replace(':', ' -')}"
        for (before, after), why in moves.items()
    ]
    lines += [f"    {end.value} --> [*]" for end in type(first) if end in ends]
    return [*lines, "```"]


def _outcomes() -> list[str]:
    lines = ["| report | " + " | ".join(phase.value for phase in Phase) + " |"]
    lines.append("|---" * (1 + len(Phase)) + "|")
    for report in events.Report:
        found = [OUTCOMES.get((phase, report)) for phase in Phase]
        cells = [state.value if state else "" for state in found]
        lines.append(f"| {report.value} | {' | '.join(cells)} |")
    return lines


def _numbers() -> list[str]:
    tries = ", ".join(f"{pause / timedelta(minutes=1):g}" for pause in course.BACK_OFF)
    rows = {
        "failed hosts that the first changing wave, or one of "
        f"{failing.FEW_STORES} stores at most, may have": "none",
        "failed hosts that a larger wave may have": f"{failing.SHARE} of its hosts, at least one",
        "minutes between two tries on a host": f"{tries}, then {_minutes(course.PATIENT)}",
        "the same on an untouched host after a day of silence, and after a week": _slow(),
        "preflights in a row before a person is asked": settling.MOST_PREFLIGHTS,
        "probes in a row before a person is asked": settling.MOST_PROBES,
        "times that an interrupted change is begun": settling.MOST_ROUNDS,
        "times that a host is to be restored": settling.MOST_UNDOS,
        "tries after which an unreached host is a straggler": holding.STRAGGLER_TRIES,
        "probes in a rollback after which a silent host is a debt": rollback.SILENT_TRIES,
        "minutes that a restore point may wait for its change": _minutes(settling.CAPTURE_LIFE),
        "minutes that a wave waits for hosts whose group is not free": _minutes(waving.PATIENCE),
        "looks at the gates during one soak": waving.LOOKS,
    }
    return [f"| {rule} | {value} |" for rule, value in rows.items()]


def _slow() -> str:
    return ", ".join(f"{_minutes(pause)}" for pause in course.SLOW)


def _minutes(span: timedelta) -> str:
    return f"{span / timedelta(minutes=1):g}"


def _names(values: object) -> str:
    return ", ".join(f"`{getattr(each, 'value', each)}`" for each in values)  # type: ignore[attr-defined]
