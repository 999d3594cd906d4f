# SPDX-License-Identifier: GPL-3.0-or-later
"""When a channel is told, and how much of it at once, so that a storm is one message.

The rules:

* what can wait is collected for ``every`` and goes as one message;
* something urgent goes at once and takes along what waits, so that the order stays; more
  urgent news within ``urgent_every`` share the next message;
* in quiet hours only urgent messages go;
* who can keep no more (``full``) is told at once;
* above ``storm`` notices a message counts them by kind, tells the worst ones and says where
  the rest is; nothing is ever dropped without being counted.

A plan covers the journal up to one sequence. What it does not cover is planned again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from storewarden.domain.outbox.bulletin import Bulletin, Style, bulletin_of
from storewarden.domain.outbox.notice import Notice, Severity
from storewarden.domain.outbox.quiet import QuietHours

_ALL = frozenset(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRules:
    """What one channel hears, and when. An empty ``kinds``, ``regions``, ``roles`` means all.

    ``kinds`` are whole kinds ("change paused") or their first words ("change", "audit");
    ``regions`` and ``roles`` let through what concerns one of them; a notice that has no region
    or asks nobody to act goes only where that filter is empty.
    """

    name: str
    language: str = "en"
    zone: tzinfo = UTC
    site: str = ""
    severities: frozenset[Severity] = _ALL
    kinds: tuple[str, ...] = ()
    regions: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    every: timedelta = timedelta(minutes=5)
    urgent_every: timedelta = timedelta(minutes=1)
    storm: int = 10
    quiet: QuietHours | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do now for one channel.

    Send ``bulletin`` (None: nothing to send), then move the channel's cursor to ``through``;
    come again at ``wait_until`` (None: when the journal grows).
    """

    bulletin: Bulletin | None
    through: int
    wait_until: datetime | None = None


def plan_messages(
    notices: Sequence[Notice],
    rules: ChannelRules,
    *,
    through: int,
    last_sent: datetime | None,
    now: datetime,
    full: bool = False,
) -> Plan:
    """Decide for the entries after a channel's cursor.

    ``notices`` are what those entries have to tell, ``through`` the sequence of the last entry
    that was looked at, ``last_sent`` when this channel was last sent something; ``full`` says
    that there may be more behind them than can be looked at before these are gone.
    """
    heard = sorted((n for n in notices if hears(rules, n)), key=lambda notice: notice.sequence)
    if not heard:
        return Plan(bulletin=None, through=through)
    due = now if full else _due(heard, rules, last_sent, now)
    if due is not None and due <= now:
        style = Style(language=rules.language, zone=rules.zone, site=rules.site, storm=rules.storm)
        return Plan(bulletin=bulletin_of(heard, style), through=through)
    return Plan(bulletin=None, through=heard[0].sequence - 1, wait_until=due)


def hears(rules: ChannelRules, notice: Notice) -> bool:
    """Whether the channel's filters let a notice through."""
    words = notice.words
    return (
        words.severity in rules.severities
        and (not rules.kinds or any(_is(notice.kind, kind) for kind in rules.kinds))
        and (not rules.regions or not rules.regions.isdisjoint(words.regions))
        and (not rules.roles or not rules.roles.isdisjoint(words.roles))
    )


def _is(kind: str, wanted: str) -> bool:
    return kind == wanted or kind.startswith(f"{wanted} ")


def _due(
    heard: Sequence[Notice], rules: ChannelRules, last_sent: datetime | None, now: datetime
) -> datetime | None:
    """When the next message may go; None when quiet hours never end."""
    last = last_sent if last_sent is not None and last_sent <= now else None
    ordinary = _ordinary(heard[0].at, rules, last, now)
    if all(notice.severity is not Severity.URGENT for notice in heard):
        return ordinary
    urgent = now if last is None else max(now, last + rules.urgent_every)
    return urgent if ordinary is None else min(urgent, ordinary)


def _ordinary(
    oldest: datetime, rules: ChannelRules, last: datetime | None, now: datetime
) -> datetime | None:
    """The end of the digest's interval, and of the quiet hours it may end in.

    An entry from the future (a clock was put back) has waited long enough.
    """
    begun = oldest if oldest <= now else now - rules.every
    due = max(now, max(begun, last or begun) + rules.every)
    return due if rules.quiet is None else rules.quiet.end_after(due)
