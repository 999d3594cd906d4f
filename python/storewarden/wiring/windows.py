# SPDX-License-Identifier: GPL-3.0-or-later
"""When work is allowed at a site, for the command line and for other programs::

    with open_site(config) as site:
        books = almanac(site)
        decision = judge(Question(device=device, operation=OperationClass.PATCH), books, now)

Nothing here opens the ledger. An almanac remembers what it worked out; make a new one at least
once a day and after files have changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.calendar import Calendar, Provisional, Rule, RuleKind
from storewarden.domain.maintenance.holiday import (
    HolidayRequest,
    holiday_rules,
    provisional_years,
)
from storewarden.flows.window import (
    Outlooks,
    WindowAnswers,
    WindowParts,
    WindowQuery,
    check_windows,
    look_ahead,
)
from storewarden.ports.calendars import WrittenCalendar

if TYPE_CHECKING:  # what is behind them costs 0.3 s, and --help needs none of it
    from storewarden.config.site import SiteConfig
    from storewarden.wiring.site import Site

_AHEAD = timedelta(days=400)


def almanac(site: Site) -> Almanac:
    """What decides about windows from now on; ConfigInvalid for a file that is wrong."""
    now = site.clock.now()
    years = tuple(range(now.year - 1, (now + _AHEAD).year + 2))
    return Almanac(read_calendar(site.config, years))


def check(site: Site, query: WindowQuery) -> WindowAnswers:
    """Whether work may begin on the hosts of ``query``; its empty ``sources`` are the site's."""
    return check_windows(_parts(site), _completed(site, query))


def ahead(site: Site, query: WindowQuery) -> Outlooks:
    """What the next days look like."""
    return look_ahead(_parts(site), _completed(site, query))


def read_calendar(config: SiteConfig, years: Sequence[int]) -> Calendar:
    """The site's calendar, with the public holidays of ``years``."""
    written = _written(config)
    rules, provisional = _holidays(written.holidays, years, config.site.language)
    return Calendar(
        rules=(*written.rules, *rules),
        provisional=provisional,
        house=config.windows.house(config.site.timezone),
    )


def import_calendar(
    site: Site, path: Path, *, name: str = "", kind: RuleKind | None = None
) -> tuple[Path, tuple[Rule, ...]]:
    """Check an iCalendar file and keep it among the site's calendars; where, and its rules.

    ``kind`` is what events are that do not say so. Raises ConfigInvalid for what is not
    understood or has the name of a rule that is there, Refused when the file is there.
    """
    from storewarden.adapters.calendars.folder import CalendarFolder  # noqa: PLC0415
    from storewarden.adapters.calendars.ics import IcsExchange  # noqa: PLC0415

    folder = site.config.windows.windows_dir
    if folder is None:
        raise ConfigInvalid("windows.windows_dir is not set", hint="name a folder for calendars")
    rules = IcsExchange().read(_bytes(path), path.name, kind)
    there = {rule.name: rule for rule in _written(site.config).rules if folder.is_dir()}
    for rule in rules:
        if rule.name in there:
            raise ConfigInvalid(
                f"the name {rule.name!r} is taken",
                where=rule.source,
                hint=f"by {there[rule.name].source}",
            )
    data = IcsExchange().write(rules, site.clock.now())
    return CalendarFolder().keep(folder, name or path.stem, data), rules


def export_calendar(site: Site) -> tuple[bytes, tuple[Rule, ...]]:
    """Every window, blackout, campaign and holiday of the site as iCalendar."""
    from storewarden.adapters.calendars.ics import IcsExchange  # noqa: PLC0415

    rules = almanac(site).calendar.rules
    return IcsExchange().write(rules, site.clock.now()), rules


def _parts(site: Site) -> WindowParts:
    return WindowParts(
        inventory=site.inventory,
        clock=site.clock,
        calendar=lambda years: read_calendar(site.config, years),
        zone_known=available_timezones().__contains__,
    )


def _completed(site: Site, query: WindowQuery) -> WindowQuery:
    return replace(
        query,
        sources=query.sources or site.config.inventory,
        vault_password=query.vault_password or site.config.secrets.vault_password_file,
    )


def _written(config: SiteConfig) -> WrittenCalendar:
    from storewarden.adapters.calendars.folder import CalendarFolder  # noqa: PLC0415

    folder = config.windows.windows_dir
    return CalendarFolder().read(folder) if folder is not None else WrittenCalendar()


def _holidays(
    requests: Sequence[HolidayRequest], years: Sequence[int], language: str
) -> tuple[tuple[Rule, ...], tuple[Provisional, ...]]:
    from storewarden.adapters.calendars.public_holidays import CountryHolidays  # noqa: PLC0415

    book = CountryHolidays(language)
    rules: list[Rule] = []
    provisional: list[Provisional] = []
    for request in requests:
        days = book.days_off(request, years)
        rules += holiday_rules(request, days)
        provisional += provisional_years(request, days)
    return tuple(rules), tuple(provisional)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigInvalid(f"cannot be read: {reason}", where=str(path)) from error
