# SPDX-License-Identifier: GPL-3.0-or-later
"""One experiment from its plan to its record: break, watch healing, take back, say what was proved.

The host's own timer is what ends a fault for certain; taking it back from here is a courtesy, for
nobody should wait for a timer once everything is known. So whatever happens to this process, in
whatever order, leaves no host broken for longer than was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from storewarden.domain.chaos.experiment import (
    Experiment,
    Made,
    Sighting,
    Taken,
    Undone,
    row,
    settled,
)
from storewarden.domain.chaos.plan import MOST_HOSTS, Plan, Wish, planned
from storewarden.domain.errors import Refused, StorewardenError
from storewarden.flows.chaos_book import ChaosBook
from storewarden.flows.chaos_facts import FactParts, gathered
from storewarden.flows.chaos_play import OWNER, ChaosPlay
from storewarden.flows.chaos_sightings import sightings
from storewarden.ports.clock import Clock
from storewarden.ports.healing import HealingBook
from storewarden.ports.runner import RunPhase

_POLL = 1.0  # seconds between two looks at healing's book
_TRIES = 5  # to get a number while others begin experiments, too
_AGAIN = 10.0  # seconds between two orders to a host that did not answer
_LATE = timedelta(minutes=4)
"""So long after its time a host's timer has run, or it never will: it is armed up to 3 minutes
after the beginning (``chaos_play``). Less than SLACK."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One thing that happened, for whoever watches; ``host`` is "" for all of them."""

    what: str
    en: str
    zh: str
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosParts:
    """What experiments take. ``wait`` sleeps so many seconds and says whether to stop; ``by`` is
    who runs it; ``most`` how many hosts may be broken at once."""

    facts: FactParts
    book: ChaosBook
    healing: HealingBook
    play: ChaosPlay
    clock: Clock
    by: str
    wait: Callable[[float], bool]
    watch: Callable[[News], None] = lambda _news: None
    most: int = field(default=MOST_HOSTS)


def plan_experiment(parts: ChaosParts, wish: Wish) -> Plan:
    """What would be done and why, or why not. Raises ConfigInvalid; breaks nothing."""
    now = parts.clock.now()
    running = parts.book.under_way(now)
    return planned(wish, gathered(parts.facts, wish, running, now, parts.most))


def run_experiment(parts: ChaosParts, wish: Wish) -> Experiment:
    """Make the fault, watch, take it back. Raises Refused with the first objection."""
    _tidy(parts)
    experiment = _begun(parts, wish)
    _say(parts, "begun", *_beginning(experiment))
    made: Mapping[str, Made] = {}
    stopped = False
    try:
        made = parts.play.make(experiment)
        for each in made.values():
            _say(parts, "made" if each.good else "unmade", each.en, each.zh, each.host)
        # Times count from here: connecting is no part of the fault.
        timed = replace(experiment, begun_at=parts.clock.now())
        stopped = _watched(parts, experiment, timed, made)
    finally:
        taken = _taken(parts, experiment, made)
    return _ended(parts, experiment, timed, (made, taken), stopped=stopped)


def _begun(parts: ChaosParts, wish: Wish) -> Experiment:
    for _try in range(_TRIES):
        plan = plan_experiment(parts, wish)
        if not plan.allowed:
            first = plan.objections[0]
            raise Refused(first.en, where=first.host or first.about)
        now = parts.clock.now()
        experiment = Experiment(
            name="",
            fault=wish.fault,
            hosts=wish.hosts,
            begun_at=now,
            span=wish.span,
            by=parts.by,
            options=wish.options,
            change=plan.change,
            expect=wish.expect,
        )
        found = parts.book.begin(experiment)
        if found is not None:
            return found
    raise Refused("others begin experiments all the time", where="chaos")


def _watched(
    parts: ChaosParts, experiment: Experiment, timed: Experiment, made: Mapping[str, Made]
) -> bool:
    """Until every host is settled or the time is up; whether somebody asked to stop."""
    broken = [each.host for each in made.values() if each.good]
    told: dict[str, Sighting] = {}
    while True:
        seen = sightings(parts.healing, broken, experiment.begun_at)
        _tell(parts, seen, told)
        if all(settled(seen, host, experiment.expect) for host in broken):
            return False
        left = (timed.begun_at + timed.span - parts.clock.now()).total_seconds()
        if left <= 0:
            return False
        if parts.wait(min(_POLL, left)):
            return True


def _tell(parts: ChaosParts, seen: Sequence[Sighting], told: dict[str, Sighting]) -> None:
    """What is new about the alerts."""
    for each in seen:
        before = told.get(each.key)
        if before is None:
            _say(parts, "alert", f"alert {each.name}", f"告警 {each.name}", each.host)
        if each.repair and (before is None or before.repair != each.repair):
            rule = each.rule or "-"
            _say(
                parts, "repair", f"rule {rule}: repair {each.repair}",
                f"规则 {rule}：修复 {each.repair}", each.host,
            )  # fmt: skip
        if before is None or before.stand is not each.stand:
            _say(parts, each.stand.value, *_STANDS[each.stand.value], each.host)
        told[each.key] = each


_STANDS = {
    "open": ("it is being dealt with", "处理中"),
    "healed": ("healed and verified", "已自愈并验证"),
    "person": ("a person has it", "已转人工"),
    "left": ("nothing is to be done about it", "不作处理"),
    "gone": ("over before anything was done", "未处理即已恢复"),
}


def _taken(
    parts: ChaosParts, experiment: Experiment, made: Mapping[str, Made]
) -> Mapping[str, Taken]:
    """Take it back on every host on which it may be; ask again while one does not answer."""
    sure = {each.host for each in made.values() if not each.good and not each.doubtful}
    taken = {host: Taken(host=host, by=Undone.NOTHING) for host in sure}
    end = experiment.begun_at + experiment.span + _LATE
    while open_ := [host for host in experiment.hosts if host not in taken]:
        found = parts.play.take_back(experiment, open_)
        for each in found.values():
            if each.by is not Undone.UNKNOWN:
                taken[each.host] = each
                _say(parts, "undone", f"taken back ({each.by.value})", _undone_zh(each), each.host)
        missing = [host for host in open_ if host not in taken]
        if missing and (parts.clock.now() >= end or parts.wait(_AGAIN)):
            taken |= {
                host: found.get(host, Taken(host=host, by=Undone.UNKNOWN)) for host in missing
            }
    return taken


def _undone_zh(taken: Taken) -> str:
    return f"已撤销（{UNDONE_ZH[taken.by]}）"


UNDONE_ZH = {
    Undone.ORDER: "按指令",
    Undone.TIMER: "主机定时器",
    Undone.HAND: "人工",
    Undone.BOOT: "主机已重启",
    Undone.NOTHING: "未曾制造",
    Undone.UNKNOWN: "未知",
}
"""Who took a fault back, in Chinese."""


def _ended(
    parts: ChaosParts,
    experiment: Experiment,
    timed: Experiment,
    hosts: tuple[Mapping[str, Made], Mapping[str, Taken]],
    *,
    stopped: bool,
) -> Experiment:
    made, taken = hosts
    now = parts.clock.now()
    parts.book.undone(experiment, {each.host: each.by.value for each in taken.values()}, now)
    seen = sightings(parts.healing, experiment.hosts, experiment.begun_at)
    rows = tuple(row(timed, made[host], taken[host], seen) for host in experiment.hosts)
    outcome = "interrupted" if stopped else "completed"
    ended = replace(experiment, rows=rows, ended_at=now, outcome=outcome)
    parts.book.end(ended)
    return ended


def _tidy(parts: ChaosParts) -> None:
    """Runs of earlier experiments whose process died: their hosts' timers ended them."""
    for found in parts.play.runner.recover():
        if found.owner == OWNER and found.phase is not RunPhase.LIVE:
            with suppress(StorewardenError):  # its play may still live; it is busy then
                parts.play.runner.release(found.run_id)


def _beginning(experiment: Experiment) -> tuple[str, str]:
    hosts, until = ", ".join(experiment.hosts), _clock(experiment.begun_at + experiment.span)
    return (
        f"{experiment.name}: {experiment.fault} on {hosts}, until {until} UTC at the latest",
        f"{experiment.name}：在 {hosts} 上制造 {experiment.fault}，最迟至 {until} UTC",
    )


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S}"


def _say(parts: ChaosParts, what: str, en: str, zh: str, host: str = "") -> None:
    parts.watch(News(what=what, en=en, zh=zh, host=host))
