# SPDX-License-Identifier: GPL-3.0-or-later
"""A named person, or somebody in a role, must have said yes to this wave.

The data: ``{"orders": [{"order", "by", "at" (ISO 8601), "roles": [..], "reason"}]}``: orders of
this rollout that were accepted. Only those given since the wave began count: a yes to the canary is
none to the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from storewarden.domain.gates.keys import Keys
from storewarden.domain.gates.saying import Saying, listed, names, unheard
from storewarden.domain.gates.scope import Need, Signal, WaveScope
from storewarden.domain.gates.verdict import Verdict

NEEDS = (Need.ORDERS,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``people`` are ids, ``roles`` roles of the people file; either makes somebody count.
    ``least`` different people must have given the order ``order``."""

    people: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    least: int = 1
    order: str = "promote"

    @classmethod
    def read(cls, values: Mapping[str, object], where: str = "gates.approval") -> Settings:
        """Raises ConfigInvalid with gate and key."""
        keys = Keys(values, where)
        settings = cls(
            people=keys.texts("people"),
            roles=keys.texts("roles"),
            least=keys.whole("least", 1, least=1),
            order=keys.text("order", "promote", required=True),
        )
        keys.done()
        if not settings.people and not settings.roles:
            keys.wrong("people", "is missing", "name people, or roles")
        if not settings.roles and settings.least > len(set(settings.people)):
            keys.wrong("least", "is more than the people who are named")
        return settings


def judge(signal: Signal, settings: Settings, scope: WaveScope) -> Verdict:
    """PASS when enough of those who may say yes have; nobody's silence is one."""
    if held := unheard(signal):
        return held
    given = [by for each in listed(signal.data.get("orders")) if (by := _by(each, settings, scope))]
    people = sorted(set(given))
    wanted = names([*settings.people, *settings.roles])
    saying = Saying(gate=signal.gate, evidence={"given": people, "least": settings.least})
    if len(people) < settings.least:
        have = f"{len(people)}/{settings.least}"
        return saying.holds(
            f"waits for {settings.order} by {wanted.en} ({have})",
            f"等待 {wanted.zh} 下达 {settings.order}（已确认 {have}）",
        )
    which = names(people)
    return saying.passes(f"{which.en} said {settings.order}", f"{which.zh} 已下达 {settings.order}")


def _by(found: object, settings: Settings, scope: WaveScope) -> str:
    """Who gave this order, if it counts."""
    if not isinstance(found, Mapping) or found.get("order") != settings.order:
        return ""
    by, at = found.get("by"), _moment(found.get("at"))
    if not isinstance(by, str) or not by or at is None or not scope.began <= at <= scope.now:
        return ""
    roles = {str(each) for each in listed(found.get("roles"))}
    return by if by in settings.people or roles & set(settings.roles) else ""


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
