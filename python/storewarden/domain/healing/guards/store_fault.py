# SPDX-License-Identifier: GPL-3.0-or-later
"""When half of a store is broken, the store is: its line, its power. Its hosts are left alone.

They are looked at again, ever less often: when the store is back and one till is still down, that
till is broken by itself.
"""

from __future__ import annotations

from storewarden.domain.healing.look import Look, Objection, suppress


def store_fault(look: Look) -> Objection | None:
    """SUPPRESS, with one incident for the whole store."""
    store = look.device.store
    if not store:
        return None
    broken = len(look.tally.fault_hosts.get(store, ()))
    size = len(look.world.members.get(f"store:{store}", ()))
    holds = look.now < look.world.faults.get(store, look.now)
    policy = look.policy
    fault = broken >= policy.fault_hosts and broken >= policy.fault_share * max(size, 1)
    if not (fault or holds):
        return None
    en = f"store {store}: {broken} of {size} hosts have alerts at once, so the store is at fault"
    zh = f"门店 {store}：{size} 台主机中 {broken} 台同时告警，判定为门店级故障"
    if not fault:
        en = f"store {store} is at fault still: half of its {size} hosts have been held back"
        zh = f"门店 {store} 的门店级故障仍在持续：{size} 台主机中半数以上已被抑制"
    return suppress(look, "store-fault", (en, zh), incident=f"store:{store}")
