# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the gates of a wave: put together what they are asked about, then fetch and judge.

Whatever goes wrong while evidence is fetched is no evidence, so it holds: a gate that raises and
one that hangs are verdicts like any other, and a rollout never waits for one for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from storewarden.domain.errors import StorewardenError
from storewarden.domain.gates.scope import OrderSeen, ProbeSeen, WaveScope
from storewarden.domain.gates.verdict import Outcome, Verdict
from storewarden.domain.rollout.events import HostReport, Ordered, Reported, RolloutEvent
from storewarden.domain.rollout.plain import event_of
from storewarden.domain.rollout.record import (
    HostRecord,
    HostState,
    Phase,
    Rollout,
    Setback,
    WaveRecord,
    WaveState,
)
from storewarden.flows.rollout_facts import FactsBook
from storewarden.flows.rollout_parts import DriveParts
from storewarden.ports.signals import WITHIN

PER_HOST = timedelta(seconds=1)
"""What each host adds to the minute that all gates of a wave have for their evidence. Probes are
asked 16 at a time and wait up to 10 s each, playbooks take 50 hosts at a time, a few at once."""

LONGEST = timedelta(minutes=8)
"""However large a wave is: gates are asked in a look, and looks have to come to an end."""

_HUNG = timedelta(seconds=15)  # beyond that: then nobody waits for them any more
_VERIFIED = (HostState.SOAKING, HostState.AT_TARGET, HostState.FINAL)
_FAILED = (Setback.FAILED,)


def asked_gates(
    parts: DriveParts, facts: FactsBook, rollout: Rollout, number: int, now: datetime
) -> tuple[Verdict, ...]:
    """The verdicts of all gates of wave ``number``. Never raises for what a gate does."""
    scope = scope_of(parts, facts, rollout, number, now)
    gates, within = rollout.spec.gates, patience(len(scope.hosts))

    def ask() -> tuple[Verdict, ...]:
        return parts.gates.ask(gates, scope, within=within, coverage=rollout.spec.coverage)

    return bounded(ask, within + _HUNG)


def patience(hosts: int) -> timedelta:
    """How long all gates of a wave with so many hosts may take to fetch their evidence."""
    return min(WITHIN + hosts * PER_HOST, LONGEST)


def scope_of(
    parts: DriveParts, facts: FactsBook, rollout: Rollout, number: int, now: datetime
) -> WaveScope:
    """What the gates of wave ``number`` are asked about."""
    wave = next(each for each in rollout.waves if each.number == number)
    hosts = [each for each in rollout.hosts.values() if each.wave == number]
    variables = parts.shard.estate().inventory.hosts
    reports, orders = _told(parts, rollout, {host.name for host in hosts})
    since = wave.soaking or wave.began or now
    return WaveScope(
        rollout=rollout.number,
        wave=number,
        hosts=tuple(host.name for host in hosts if host.state is not HostState.SKIPPED),
        stores=wave.stores,
        others=_others(rollout),
        began=wave.began or now,
        since=since,
        now=now,
        store_of={host.name: host.store for host in rollout.hosts.values()},
        addresses={h.name: _address(h.name, variables.get(h.name, {})) for h in hosts},
        verified=frozenset(host.name for host in hosts if host.state in _VERIFIED),
        strata={host.name: _stratum(rollout, host, variables) for host in hosts},
        open_for=facts.traded(rollout, wave, now),
        first_wave=number == rollout.waves[0].number,
        reported=reports,
        failed={h.name: h.reason for h in hosts if h.setback in _FAILED},
        orders=orders,
        looks=_looks(rollout, wave),
    )


def _others(rollout: Rollout) -> tuple[str, ...]:
    """Stores that no wave has reached yet."""
    pending = (each for each in rollout.waves if each.state is WaveState.PENDING)
    return tuple(store for wave in pending for store in wave.stores)


def _looks(rollout: Rollout, wave: WaveRecord) -> int:
    """How often the wave will be looked at in all: every look is another chance to be wrong."""
    return max(wave.extended, rollout.spec.extensions) + 1


def _address(name: str, variables: Mapping[str, object]) -> str:
    given = variables.get("ansible_host")
    return given if isinstance(given, str) and given else name


def _stratum(
    rollout: Rollout, host: HostRecord, variables: Mapping[str, Mapping[str, object]]
) -> str:
    own = variables.get(host.name, {})
    return " ".join(str(own.get(name) or "-") for name in rollout.spec.strata) or host.role


def _told(
    parts: DriveParts, rollout: Rollout, hosts: set[str]
) -> tuple[dict[str, tuple[ProbeSeen, ...]], tuple[OrderSeen, ...]]:
    """What the journal has of the wave's hosts' last judge phase, and of people's orders."""
    probes: dict[str, tuple[ProbeSeen, ...]] = {}
    orders: list[OrderSeen] = []
    for entry in parts.book.history(rollout.number):
        event: RolloutEvent = event_of(entry.run, entry.kind, entry.at, entry.body)
        match event.what:
            case Reported(phase=Phase.JUDGE, reports=reports):
                probes.update({each.host: _probes(each) for each in reports if each.host in hosts})
            case Ordered(accepted=True, order=order, reason=reason):
                orders.append(
                    OrderSeen(
                        order=order,
                        by=event.by,
                        at=event.at,
                        roles=parts.roles(event.by),
                        reason=reason,
                    )
                )
    return probes, tuple(orders)


def _probes(report: HostReport) -> tuple[ProbeSeen, ...]:
    raw = report.detail.get("probes")
    rows = raw if isinstance(raw, list | tuple) else ()
    return tuple(_probe(row) for row in rows if isinstance(row, Mapping))


def _probe(row: Mapping[object, object]) -> ProbeSeen:
    ok, detail = row.get("ok"), row.get("detail")
    text = detail.get("en") if isinstance(detail, Mapping) else detail
    return ProbeSeen(
        name=str(row.get("name") or ""),
        ok=ok if isinstance(ok, bool) else None,
        detail=str(text or ""),
    )


def bounded(ask: Callable[[], Sequence[Verdict]], longest: timedelta) -> tuple[Verdict, ...]:
    """The answer, or a hold when there is none in time. What hangs is left behind: its thread
    ends with the process, and has nothing to write."""
    found: list[tuple[Verdict, ...]] = []

    def work() -> None:
        try:
            found.append(tuple(ask()))
        except StorewardenError as error:
            found.append((_hold(str(error), str(error)),))
        except Exception as error:  # noqa: BLE001 - a gate's fault must not end the rollout's tick
            name = type(error).__name__
            found.append((_hold(f"a gate failed: {name}", f"门禁出错：{name}"),))

    thread = threading.Thread(target=work, name="gates", daemon=True)
    thread.start()
    thread.join(longest.total_seconds())
    if found:
        return found[0]
    seconds = int(longest.total_seconds())
    return (_hold(f"the gates did not answer in {seconds} s", f"门禁在 {seconds} 秒内没有答复"),)


def _hold(reason: str, reason_zh: str) -> Verdict:
    return Verdict(gate="gates", outcome=Outcome.HOLD, reason=reason, reason_zh=reason_zh)
