# SPDX-License-Identifier: GPL-3.0-or-later
"""All guards in one table, in the order of their weight.

Every guard is asked and everything that it says is told, but what is done is the word of the first
one that objects. So the order is the policy: what makes the question pointless comes first, then
what calls off machines altogether, then what a person may allow, and at last what merely has to
wait for its turn. Guards that share out places are asked only about alerts that nothing else
speaks against; who does not act takes no place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from storewarden.domain.healing.guards import concurrency, cooldown, mode, stopped, window
from storewarden.domain.healing.guards.busy import busy
from storewarden.domain.healing.guards.expiry import expiry
from storewarden.domain.healing.guards.failure_breaker import breaker_open, canary_first
from storewarden.domain.healing.guards.hold_down import hold_down
from storewarden.domain.healing.guards.maintenance import maintenance
from storewarden.domain.healing.guards.protected import protected
from storewarden.domain.healing.guards.rate import rate
from storewarden.domain.healing.guards.redundancy import redundancy
from storewarden.domain.healing.guards.staleness import staleness
from storewarden.domain.healing.guards.standing_change import standing_change
from storewarden.domain.healing.guards.store_fault import store_fault
from storewarden.domain.healing.guards.storm import storm
from storewarden.domain.healing.guards.tries import tries
from storewarden.domain.healing.look import Look, Objection


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """``en`` and ``zh`` name what it looks at, for explanations. A ``dear`` one costs too much to
    be asked about ten thousand alerts: only those that nothing weightier speaks against."""

    ask: Callable[[Look], Objection | None]
    en: str
    zh: str
    dear: bool = False


GUARDS: tuple[Guard, ...] = (
    Guard(ask=expiry, en="has a question run out", zh="审批是否过期"),
    Guard(ask=maintenance, en="is the host in maintenance", zh="主机是否在维护"),
    Guard(ask=hold_down, en="hold-down and recheck", zh="观察期与复查"),
    Guard(ask=store_fault, en="is the whole store at fault", zh="是否为门店级故障"),
    Guard(ask=mode.observed, en="may it do more than observe", zh="是否仅允许观察"),
    Guard(ask=stopped.kill_switch, en="kill switch", zh="总开关"),
    Guard(ask=stopped.frozen, en="freeze", zh="冻结期", dear=True),
    Guard(ask=stopped.paused, en="is rule, action or source paused", zh="规则、动作或来源是否暂停"),
    Guard(ask=standing_change, en="is there a standing change", zh="是否有有效的标准变更"),
    Guard(ask=staleness, en="is the alert fresh", zh="告警是否仍然新鲜"),
    Guard(ask=tries, en="was it tried too often", zh="是否重试过多"),
    Guard(ask=cooldown.quarantine, en="is the host in quarantine", zh="主机是否被隔离"),
    Guard(ask=cooldown.cooldown, en="cooldown", zh="冷却时间"),
    Guard(ask=breaker_open, en="failure breaker", zh="失败熔断"),
    Guard(ask=storm, en="is it a storm", zh="是否为告警风暴"),
    Guard(ask=window.window, en="maintenance window", zh="维护窗口", dear=True),
    Guard(ask=window.daytime, en="does it disturb by day", zh="是否在白天影响使用"),
    Guard(ask=protected, en="is the host protected", zh="主机是否受保护"),
    Guard(ask=mode.approved, en="may it act alone", zh="是否允许自动执行"),
)
"""Asked about every alert that has a rule and a host, on facts alone."""

BUDGETS: tuple[Guard, ...] = (
    Guard(ask=busy, en="is the host busy", zh="主机是否被占用"),
    Guard(ask=canary_first, en="does a canary go first", zh="是否先处理试点主机"),
    Guard(ask=redundancy, en="does enough remain", zh="冗余是否足够"),
    Guard(ask=rate, en="rate of the action", zh="动作频率"),
    Guard(ask=concurrency.stores, en="disturbed stores at once", zh="同时受影响门店数"),
    Guard(ask=concurrency.runs, en="runs at once", zh="同时执行数"),
)
"""Asked one alert after the other about those that may act; each sees what was given before it."""
