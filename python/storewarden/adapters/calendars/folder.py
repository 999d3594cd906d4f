# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of a site's calendars: files of every format that is known, side by side.

A format is a module of this package with ``SUFFIXES`` and ``read_file(path, shown)``; nothing
else has to know of it. Every file counts, none is nested, and a name is given once in the whole
folder: it is what a refusal calls the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from storewarden.adapters import calendars
from storewarden.adapters.extensions import Extension, Family
from storewarden.domain.errors import AdapterError, ConfigInvalid, Refused
from storewarden.domain.maintenance.calendar import Rule
from storewarden.domain.maintenance.holiday import HolidayRequest
from storewarden.ports.calendars import WrittenCalendar

type Reader = Callable[[Path, str], WrittenCalendar]
"""Reads a file that messages call by a name; ConfigInvalid with file and line."""


_FORMATS = Family(
    kind=Extension,
    folder=calendars.__name__,
    group="storewarden.calendars",
    parts=("SUFFIXES", "read_file"),
    one="calendar format",
    many="calendar formats",
    unknown="no calendar format of that name",
    guide="docs/developers/add-a-calendar.md",
)


@cache
def readers() -> Mapping[str, Reader]:
    """Suffix -> reader, of every format. Raises ConfigInvalid for two of one suffix."""
    found: dict[str, Reader] = {}
    for each in _FORMATS.found().values():
        module = each.load()
        for suffix in module.SUFFIXES:
            if suffix in found:
                raise ConfigInvalid(
                    f"is a second calendar format for {suffix}",
                    where=f"{each.name} of {each.origin}",
                    hint="uninstall one of them",
                )
            found[suffix] = module.read_file
    return found


class CalendarFolder:
    """The CalendarFiles port; files are called by their folder's and their own name."""

    def read(self, folder: Path) -> WrittenCalendar:
        """Everything in ``folder``; ConfigInvalid with file and line."""
        if not folder.is_dir():
            raise ConfigInvalid("no such folder", where=str(folder), hint="windows.windows_dir")
        rules: list[Rule] = []
        holidays: list[HolidayRequest] = []
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix in readers():
                found = readers()[path.suffix](path, f"{folder.name}/{path.name}")
                rules += found.rules
                holidays += found.holidays
        _refuse_twins(rules)
        return WrittenCalendar(rules=tuple(rules), holidays=tuple(holidays))

    def keep(self, folder: Path, name: str, data: bytes) -> Path:
        """Write ``data`` as ``name``.ics; Refused when there is one."""
        path = folder / f"{name}.ics"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as stream:
                stream.write(data)
        except FileExistsError as error:
            raise Refused(
                "is there already", where=str(path), hint="choose another --name"
            ) from error
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise AdapterError(f"cannot be written: {reason}", where=str(path)) from error
        return path


def _refuse_twins(rules: list[Rule]) -> None:
    seen: dict[str, Rule] = {}
    for rule in rules:
        first = seen.setdefault(rule.name, rule)
        if first is not rule:
            raise ConfigInvalid(
                f"the name {rule.name!r} is given twice",
                where=rule.source,
                hint=f"first at {first.source}",
            )
