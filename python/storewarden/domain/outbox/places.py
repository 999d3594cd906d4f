# SPDX-License-Identifier: GPL-3.0-or-later
"""Times, hosts and people as a person would write them.

A message is read on a telephone: three names and a number, never two hundred names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from storewarden.domain.change.record import Item, Span
from storewarden.domain.change.spoken import role_name, told
from storewarden.domain.outbox.notice import Text

_NAMED = 3
_LONGEST = 300


def moment(at: datetime, zone: tzinfo) -> Text:
    """``2026-06-01 22:00 (Asia/Shanghai)``."""
    told = f"{at.astimezone(zone):%Y-%m-%d %H:%M}"
    return Text(en=f"{told} ({zone})", zh=f"{told}（{zone}）")


def stamped(value: object) -> datetime | None:
    """The moment of an entry's body (ISO text with a zone); None when it is none."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return at if at.tzinfo else None


def span(window: Span, zone: tzinfo) -> Text:
    """From when to when, the day once when it is the same."""
    begins, ends = window.starts.astimezone(zone), window.ends.astimezone(zone)
    last = f"{ends:%H:%M}" if begins.date() == ends.date() else f"{ends:%Y-%m-%d %H:%M}"
    first = f"{begins:%Y-%m-%d %H:%M}"
    return Text(en=f"{first} to {last} ({zone})", zh=f"{first} 至 {last}（{zone}）")


def names(all_of_them: Sequence[str]) -> Text:
    """Up to three names, then how many more."""
    rest = len(all_of_them) - _NAMED
    shown = all_of_them[:_NAMED]
    if rest <= 0:
        return Text(en=", ".join(shown), zh="、".join(shown))
    return Text(
        en=f"{', '.join(shown)} and {rest} more", zh=f"{'、'.join(shown)} 等 {len(all_of_them)} 个"
    )


def role_names(roles: Sequence[str], between: str = " and ") -> Text:
    """All roles, joined; "and" says that every one of them is needed."""
    return Text(
        en=between.join(role_name(role, "en") for role in roles),
        zh="、".join(role_name(role, "zh") for role in roles),
    )


def counted(number: int, one: str, many: str = "") -> str:
    """``1 host``, ``3 hosts``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def place(items: Sequence[Item]) -> Text:
    """The hosts of a change: by name when they are few, else by store and region."""
    if not items:
        return Text(en="no configuration item", zh="未关联配置项")
    stores, regions = _distinct(i.store for i in items), _distinct(i.region for i in items)
    hosts = names([item.host for item in items])
    if len(items) <= _NAMED:
        return _with_regions(hosts, regions)
    if not stores:
        en, zh = counted(len(items), "host"), f"{len(items)} 台设备"
        return _with_regions(Text(en=f"{en}: {hosts.en}", zh=f"{zh}：{hosts.zh}"), regions)
    shown = names(stores)
    en = f"{counted(len(items), 'host')} in {counted(len(stores), 'store')}: {shown.en}"
    zh = f"{len(stores)} 家门店 {len(items)} 台设备：{shown.zh}"
    return _with_regions(Text(en=en, zh=zh), regions)


def quoted(text: object, fallback: Text) -> Text:
    """Somebody's own words on one line, shortened; ``fallback`` when there are none."""
    line = " ".join(str(text or "").split())
    if not line:
        return fallback
    if len(line) > _LONGEST:
        line = line[: _LONGEST - 1].rstrip() + "…"
    return Text(en=line, zh=line)


def ruled(text: object, fallback: Text) -> Text:
    """What a rule said, on one line, shortened, in both languages."""
    said = str(text or "")
    return Text(en=quoted(said, fallback).en, zh=quoted(told(said, "zh"), fallback).zh)


def _distinct(found: Iterable[str]) -> list[str]:
    return sorted({each for each in found if each})


def _with_regions(text: Text, regions: Sequence[str]) -> Text:
    if not regions:
        return text
    shown = names(regions)
    return Text(en=f"{text.en} ({shown.en})", zh=f"{text.zh}（{shown.zh}）")
