# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``change new`` and ``change plan`` ask for, from options or from a YAML file.

Only the form is read here; whether the values mean anything is for the service to say. A
time without a zone is meant in the site's zone, as people write it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any

from storewarden.domain.errors import ConfigInvalid

_DURATION = re.compile(r"(?:([0-9]{1,3})h)?(?:([0-9]{1,5})m)?")
_MOST = timedelta(days=7)  # of work in one window
_LONGEST = 200  # characters of an option that may still be the name of a file
_FILE_NAME = re.compile(r"\S+\.(?:md|txt|rst|html?|pdf|docx?|ya?ml)", re.IGNORECASE)
_MARK = "!"  # after a step's name: two persons

TEMPLATE = """\
# A change, for: storewarden change new --file change.yml
# What is commented out may be left out. Times without a zone are in the site's zone.
---
summary: New price service in the pilot stores
kind: standard            # standard, emergency, major, minor
risk: low                 # low, medium, high
reason: Prices are wrong after midnight
hosts:                    # names, groups and patterns of the inventory
  - store_000101
# operation: release      # which windows apply: storewarden window check --help
plan: |
  1. stop the till software
  2. install 1.5
  3. start it, sell one article
rollback:
  trigger: no sale within 5 minutes
  steps: install 1.4, start it
  owner: zhang.wei
# window: {starts: 2026-06-02 22:30, ends: 2026-06-03 02:00}
# window: {needs_minutes: 40}   # the next window in which that fits
# owner: zhang.wei        # by default whoever asks
# steps:
#   - {name: database backup, two_person: true}
#   - {name: install}
# standing: {action: restart the till service, until: 2026-12-31}
"""


def text_or_file(value: str) -> str:
    """The option's text, or what is in the file it names.

    Raises ConfigInvalid for what is called like a file and is none: misspelt, the name would
    stand in the record as the plan.
    """
    path = Path(value)
    if _FILE_NAME.fullmatch(value) and not path.is_file():
        raise ConfigInvalid("no such file", where=value, hint="or write the text itself")
    if value and len(value) <= _LONGEST and "\n" not in value and path.is_file():
        try:
            return path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigInvalid("cannot be read as UTF-8 text", where=value) from error
    return value


def step_body(text: str) -> dict[str, object]:
    """``backup!`` as a step that two persons do."""
    name = text.removesuffix(_MARK).strip()
    if not name:
        raise ConfigInvalid("a step has no name", where="--step", hint='"database backup!"')
    return {"name": name, "two_person": text.endswith(_MARK)}


def window_body(text: str, needs: str, zone: tzinfo) -> dict[str, object] | None:
    """``START/END``, or ``next`` with how long the work takes; None for no window."""
    if not text:
        return None
    if text == "next":
        return {"needs_minutes": minutes(needs)}
    starts, slash, ends = text.partition("/")
    if not slash:
        raise ConfigInvalid(
            "must be START/END or next", where="--window", hint="2026-06-02T22:30/2026-06-03T02:00"
        )
    return {"starts": moment(starts, zone, "--window"), "ends": moment(ends, zone, "--window")}


def minutes(text: str) -> int:
    """A ``duration`` as the API takes it."""
    return int(duration(text).total_seconds() // 60)


def duration(text: str) -> timedelta:
    """``40m``, ``2h``, ``1h30m``."""
    found = _DURATION.fullmatch(text)
    span = timedelta(hours=int(found[1] or 0), minutes=int(found[2] or 0)) if found else None
    if not span:
        raise ConfigInvalid(f"{text!r} is no duration", where="--needs", hint="40m, 2h, 1h30m")
    if span > _MOST:
        raise ConfigInvalid("no work takes so long", where="--needs", hint="at most 168h")
    return span


def moment(text: str, zone: tzinfo, where: str) -> str:
    """A moment as ISO text with a zone."""
    try:
        return _zoned(datetime.fromisoformat(text.strip()), zone)
    except ValueError:
        raise ConfigInvalid(
            f"{text!r} is no time", where=where, hint="2026-06-02T22:30, or with +08:00"
        ) from None


def end_of(text: str, zone: tzinfo) -> str:
    """A day means until it ends; anything longer is a moment."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return moment(text, zone, "--until")
    if day == date.max:
        raise ConfigInvalid(f"{text!r} is too far away", where="--until")
    return _zoned(datetime.combine(day + timedelta(days=1), time()), zone)


def file_body(path: Path, zone: tzinfo) -> dict[str, Any]:
    """The YAML form as JSON data, its times with a zone."""
    from storewarden.config.marked_yaml import read_marked  # noqa: PLC0415 - only for --file

    data = read_marked(path, str(path)).data
    if not isinstance(data, Mapping):
        raise ConfigInvalid(
            "must be keys with values", where=str(path), hint="storewarden change new --template"
        )
    return {str(key): _part(str(key), value, zone, path) for key, value in data.items()}


def _part(key: str, value: object, zone: tzinfo, path: Path) -> Any:
    """One key; YAML knows times only with seconds, people write them without."""
    where = f"{path}: {key}"
    if key == "window" and isinstance(value, Mapping):
        ends = {n: moment(str(value[n]), zone, where) for n in ("starts", "ends") if n in value}
        return _json({**value, **ends}, zone, where)
    if key == "standing" and isinstance(value, Mapping) and "until" in value:
        return _json({**value, "until": end_of(str(value["until"]), zone)}, zone, where)
    return _json(value, zone, where)


def _json(value: object, zone: tzinfo, where: str, depth: int = 0) -> Any:
    if depth > 10:
        raise ConfigInvalid("is nested too deep", where=where)
    if isinstance(value, datetime):
        return _zoned(value, zone)
    if isinstance(value, date):
        return _zoned(datetime.combine(value, time()), zone)
    if isinstance(value, Mapping):
        return {str(key): _json(item, zone, where, depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_json(item, zone, where, depth + 1) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ConfigInvalid(f"is a {type(value).__name__}, which is no value here", where=where)


def _zoned(moment: datetime, zone: tzinfo) -> str:
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat()
