# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments and lengths in reports of rollouts, short enough for columns."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from storewarden.domain.maintenance.words import duration, moment
from storewarden.ports.reports import Language

_YEAR = len("2026-")


def span(length: timedelta, language: Language) -> str:
    """``24 h`` and not ``1 d``: rollouts are watched in hours. From two days on it is days."""
    seconds = int(length.total_seconds())
    if seconds and seconds < 60:
        return f"{seconds} {'秒' if language is Language.ZH else 's'}"
    hours, rest = divmod(seconds, 3600)
    if hours == 24 and not rest:
        return f"24 {'小时' if language is Language.ZH else 'h'}"
    whole = timedelta(hours=hours) if hours >= 48 else length
    return duration(whole, language.value)


def short(at: datetime | None, zone: tzinfo, now: datetime, language: Language) -> str:
    """``Mon 06-15 23:00``, with the year where it is not the present one; "-" for None."""
    if at is None:
        return "-"
    told = moment(at, zone, language.value)
    year = f"{now.astimezone(zone):%Y-}"
    return told.replace(year, "", 1) if len(year) == _YEAR else told


def full(at: datetime | None, zone: tzinfo, language: Language) -> str:
    """With the year; "-" for None."""
    return moment(at, zone, language.value) if at is not None else "-"


def counting(length: timedelta, language: Language) -> str:
    """A length that a person watches: with seconds below an hour. ``1 min 05 s``."""
    seconds = max(0, round(length.total_seconds()))
    if seconds >= 3600 or (seconds and not seconds % 60):
        return span(timedelta(seconds=seconds), language)
    minutes, rest = divmod(seconds, 60)
    units = (" 分 ", " 秒") if language is Language.ZH else (" min ", " s")
    return f"{minutes}{units[0]}{rest:02d}{units[1]}" if minutes else f"{rest}{units[1]}"
