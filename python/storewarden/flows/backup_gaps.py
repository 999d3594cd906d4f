# SPDX-License-Identifier: GPL-3.0-or-later
"""Gaps in the backups become alerts of our own, on the way that all alerts take.

They lie in the same inbox as those of a webhook, so that one rule holds for them: the same gap is
told once, a person is called within half an hour (guide 1.6.5), the ticket closes when the gap is
gone. Nothing is remembered here: what fires is asked of the ledger, so a controller that was killed
in between tells nothing twice and leaves nothing open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import batched

from storewarden.domain.backup.freshness import Standing
from storewarden.domain.backup.gaps import BOUND, GapKey, told_as
from storewarden.domain.healing.alert import FAULT, OWN, Alert, Delivery, Signal
from storewarden.ports.alerts import BACKLOG, MOST_ALERTS, AlertInbox

NAME = "BackupGap"
"""The name of these alerts; a site's rules may match it."""

_SHOWN = 5  # targets that the text of many gaps names


@dataclass(frozen=True, slots=True, kw_only=True)
class GapParts:
    """What telling takes. ``standings`` says how every target stands; ``decides`` lets what is new
    be decided about now; above ``bound`` gaps of a policy are told as one."""

    standings: Callable[[datetime], Sequence[Standing]]
    inbox: AlertInbox
    decides: Callable[[], None] = lambda: None
    bound: int = BOUND
    backlog: int = BACKLOG


@dataclass(frozen=True, slots=True, kw_only=True)
class GapsTold:
    """What is open, and what of it was new; ``over`` are gone."""

    firing: int
    new: int
    over: int


def tell_gaps(parts: GapParts, now: datetime) -> GapsTold:
    """Tell what is missing, and what is missing no more. Raises what asking raises: then nothing
    is taken for over."""
    firing = {_key(alert): alert for alert in parts.inbox.firing(OWN) if alert.name == NAME}
    wanted = told_as(parts.standings(now), firing.keys(), parts.bound)
    over = [
        replace(alert, signal=Signal.RESOLVED, ends_at=now)
        for key, alert in firing.items()
        if key not in wanted
    ]
    new = [_alert(key, gaps, now) for key, gaps in wanted.items() if key not in firing]
    if parts.inbox.backlog() > parts.backlog:
        new = []  # told when there is room; what is over makes some
    _receive(parts, [*over, *new], now)
    return GapsTold(firing=len(wanted), new=len(new), over=len(over))


def _receive(parts: GapParts, alerts: Sequence[Alert], now: datetime) -> None:
    for some in batched(alerts, MOST_ALERTS):
        parts.inbox.receive(Delivery(source=OWN, alerts=some, polled=True), now)
    if alerts:
        parts.decides()


def _key(alert: Alert) -> GapKey:
    label = alert.labels
    return GapKey(
        host=label.get("host", ""),
        policy=label.get("policy", ""),
        word=label.get("coverage", ""),
    )


def _alert(key: GapKey, gaps: Sequence[Standing], now: datetime) -> Alert:
    labels = {"policy": key.policy, FAULT: key.fault}
    labels |= {"host": key.host} if key.host else {}
    labels |= {"coverage": key.word} if key.word else {}
    return Alert(
        source=OWN,
        fingerprint="\n".join((NAME, key.host, key.policy, key.word)),
        starts_at=now,
        signal=Signal.FIRING,
        name=NAME,
        labels=labels,
        annotations=_words(key, gaps),
    )


def _words(key: GapKey, gaps: Sequence[Standing]) -> Mapping[str, str]:
    if not key.many:
        what = f"{key.policy} on {key.host}" if key.host else key.policy
        return {
            "summary": f"backup {what}: {key.word}: {gaps[0].en}",
            "summary_zh": f"备份 {what.replace(' on ', ' @ ')}：{gaps[0].zh}",
        }
    names = ", ".join(each.target.host for each in gaps[:_SHOWN])
    more = " ..." if len(gaps) > _SHOWN else ""
    return {
        "summary": f"backup {key.policy}: {len(gaps)} targets have gaps: {names}{more}"
        " (storewarden backup coverage)",
        "summary_zh": f"备份 {key.policy}：{len(gaps)} 个目标存在缺口：{names}{more}"
        "（storewarden backup coverage）",
    }
