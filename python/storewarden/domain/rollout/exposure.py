# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether everything that is exposed once the next wave is done could be taken back in time.

It is asked at the start for all waves, and again before each of them opens: hosts of a group may
have gone since, which makes its members go one after the other, and an undo of this rollout may
have shown that it takes longer than its payload says (reference: rollouts, "Clock").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import timedelta
from math import ceil

from storewarden.domain.capacity.budgets import Budgets
from storewarden.domain.capacity.groups import GroupKind
from storewarden.domain.capacity.undo import UndoCapacity, longest_chain, undo_capacity
from storewarden.domain.rollout.facts import Facts
from storewarden.domain.rollout.record import HostRecord, HostState, Rollout, WaveState
from storewarden.domain.rollout.spec import RolloutSpec

_OUT = (HostState.SKIPPED, HostState.ATTENTION)
"""Hosts to which the rollout does nothing more; of them only touched ones are exposed."""

_LATE = 0.95  # of the undos that were seen were not longer


def exposure_refusal(rollout: Rollout, facts: Facts) -> tuple[str, str] | None:
    """Why the wave that is next must not open, in English and Chinese; None when it may, and for a
    wave that is under way."""
    wave = rollout.wave
    if wave is None or wave.state is not WaveState.PENDING:
        return None
    exposed = [h for h in rollout.hosts.values() if h.wave <= wave.number and _counts(h)]
    counts = Counter(group for host in exposed for group in facts.groups.get(host.name, ()))
    undo = undo_of(len(exposed), counts, facts.members, rollout.spec, undo_time(rollout))
    return None if undo.fits else too_slow(undo, wave.number)


def undo_of(
    exposed: int,
    counts: Mapping[str, int],
    members: Mapping[str, Collection[str]],
    spec: RolloutSpec,
    takes: timedelta,
) -> UndoCapacity:
    """What it takes to undo ``exposed`` hosts, of which ``counts`` are in each group."""
    budgets: Budgets = spec.budgets
    site = GroupKind.SITE.value  # how many of the whole site go at once is a matter of lanes
    queues = {name: count for name, count in counts.items() if count > 1 and name != site}
    at_once = min(spec.at_once, max(budgets.site, 1))
    return undo_capacity(exposed, at_once, takes, longest_chain(queues, members, budgets))


def undo_time(rollout: Rollout) -> timedelta:
    """How long one undo takes: what the payload says, or what this rollout's own undos took (95 of
    100 of them), whichever is longer."""
    seen = sorted(h.undo_seconds for h in rollout.hosts.values() if h.undo_seconds is not None)
    said = rollout.spec.timing.undo
    if not seen:
        return said
    return max(said, timedelta(seconds=seen[ceil(_LATE * len(seen)) - 1]))


def too_slow(undo: UndoCapacity, wave: int) -> tuple[str, str]:
    """Which wave could not be taken back within the hour (guide 1.3.4, 2.5.4); what would do."""
    takes, most, enough = (
        int(undo.takes.total_seconds()) // 60,
        undo.most_exposed,
        undo.enough_at_once,
    )
    en = f"after wave {wave} undoing {undo.exposed} hosts would take {takes} min"
    zh = f"第 {wave} 波之后回退 {undo.exposed} 台主机需 {takes} 分钟"
    if undo.group:
        return (
            f"{en}: {undo.group} lets few go together; allow more in budgets",
            f"{zh}：{undo.group} 可同时处理的主机过少，请放宽 budgets",
        )
    if not enough:
        return f"{en}: one undo alone takes longer than an hour", f"{zh}：单台回退已超过一小时"
    return (
        f"{en}: forks x lanes of {enough} or waves that reach {most} hosts at most would do",
        f"{zh}：forks x lanes 需达到 {enough}，或各波累计不超过 {most} 台主机",
    )


def _counts(host: HostRecord) -> bool:
    return host.touched or host.state not in _OUT
