# SPDX-License-Identifier: GPL-3.0-or-later
"""An action that keeps failing stops by itself, and begins again with one host."""

from __future__ import annotations

from storewarden.domain.healing.look import Look, Objection, put_off, put_off_to


def breaker_open(look: Look) -> Objection | None:
    """WAIT while the breaker of the action is open."""
    state, name = look.tally.breaker(look.action.name), look.action.name
    if state.until is None or look.now >= state.until:
        return None
    count = f"{state.failed}/{state.seen}"
    en = f"{name} failed {count} times: its breaker is open until {look.clock(state.until)}"
    zh = f"{name} 失败 {count} 次：熔断至 {look.clock(state.until, 'zh')}"
    return put_off(look, "failure-breaker", state.until, en, zh)


def canary_first(look: Look) -> Objection | None:
    """WAIT while the canary that may close the breaker is under way."""
    state, name = look.tally.breaker(look.action.name), look.action.name
    trying = "" if state.until is None else state.trying or _canary(look)
    if not trying:
        return None
    count = f"{state.failed}/{state.seen}"
    en = f"{name} failed {count} times before: {trying} goes first, alone"
    zh = f"{name} 此前失败 {count} 次：先单独处理 {trying}"
    return put_off_to(look, "failure-breaker", look.stale_at, en, zh)


def goes_alone(look: Look) -> bool:
    """Whether a repair by this action is the canary of a breaker."""
    return look.tally.breaker(look.action.name).until is not None


def _canary(look: Look) -> str:
    """The canary that is under way, or that this round has chosen."""
    name = look.action.name
    chosen = [each.hosts[0] for each in look.tally.batches if each.bundle[0] == name]
    running = [each.hosts[0] for each in look.world.running if each.canary and each.action == name]
    return (chosen or running or [""])[0]
