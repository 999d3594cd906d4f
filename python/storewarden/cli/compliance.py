# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden compliance`: who complied in a month or a quarter, and who is to be fixed by
force."""

from __future__ import annotations

import re
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.exits import Exit
from storewarden.cli.options import (
    Config,
    Lang,
    Output,
    check_output,
    site_config,
    write_out,
)
from storewarden.domain.baseline.compliance import Month, month_named, month_of, quarter_of
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.compliance import MonthFormat, MonthsPage
from storewarden.ports.reports import Language
from storewarden.wiring import Site, open_site
from storewarden.wiring.baseline import month_report, rendered_months

_QUARTER = re.compile(r"(\d{4})-?[Qq]([1-4])")


def compliance(
    *,
    month: Annotated[
        str, typer.Option("--month", metavar="YYYY-MM", help="The month; this one by default.")
    ] = "",
    quarter: Annotated[
        str, typer.Option("--quarter", metavar="YYYY-Q1", help="The three months of a quarter.")
    ] = "",
    shape: Annotated[MonthFormat, typer.Option("--format", help="The shape.")] = (
        MonthFormat.TABLE
    ),
    output: Output = None,
    lang: Lang = None,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
) -> int:
    """Show the compliance of a month: per device, of the fleet, and who was bad how often.

    1 when fewer than 95 % of the registered devices complied.
    """
    settings = site_config(config)
    check_output(output)
    with open_site(settings) as site:
        site.require_ledger()
        wanted = _wanted(site, month, quarter)
        fleets = [month_report(site, each) for each in wanted]
        now = _this_month(site)
    language = lang or Language(settings.site.language)
    page = MonthsPage(language=language, site=settings.site.name, now=now)
    write_out(rendered_months(fleets, MonthFormat.JSON if as_json else shape, page), output)
    return Exit.FINE if fleets[-1].good_enough else Exit.BELOW


def _wanted(site: Site, month: str, quarter: str) -> tuple[Month, ...]:
    now = _this_month(site)
    if month and quarter:
        raise ConfigInvalid("give one of them", where="--month, --quarter")
    found: tuple[Month, ...] = (now,)
    if quarter:
        parts = _QUARTER.fullmatch(quarter.strip())
        if parts is None:
            raise ConfigInvalid(
                f"{quarter[:20]!r} is no quarter", where="--quarter", hint="2026-Q1"
            )
        begins = Month(int(parts[1]), 3 * int(parts[2]) - 2)
        found = tuple(each for each in quarter_of(begins) if each <= now)
    elif month:
        named = month_named(month.strip())
        if named is None:
            raise ConfigInvalid(f"{month[:20]!r} is no month", where="--month", hint="2026-05")
        found = (named,) if named <= now else ()
    if not found:
        raise ConfigInvalid("lies in the future", where=month or quarter)
    return found


def _this_month(site: Site) -> Month:
    return month_of(site.clock.now(), ZoneInfo(site.config.site.timezone))
