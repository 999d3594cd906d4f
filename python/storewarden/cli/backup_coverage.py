# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden backup coverage`: whether everything that is to be backed up is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.change_call import Json, show_json
from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, Lang, check_output, site_config, write_out
from storewarden.cli.tabular import table
from storewarden.ports.reports import Language

Host = Annotated[str, typer.Option("--host", metavar="H", help="Of one host only.")]
Store = Annotated[str, typer.Option("--store", metavar="S", help="Of one store only.")]
PolicyName = Annotated[str, typer.Option("--policy", metavar="P", help="Of one policy only.")]


def coverage(
    *,
    host: Host = "",
    store: Store = "",
    policy: PolicyName = "",
    only_bad: Annotated[
        bool, typer.Option("--only-bad", help="Without the summary, and nothing that is fine.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the report as HTML, too.")
    ] = None,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Show how every target of every policy stands: what is missing first, what is fine counted.

    Of one host or one store everything is listed. The exit code is 1 when anything is missing.
    """
    from storewarden.flows.backup_coverage import Wish  # noqa: PLC0415
    from storewarden.wiring import backup_coverage as wired  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring import open_site  # noqa: PLC0415

    check_output(html)
    settings = site_config(config)
    language = lang or Language(settings.site.language)
    with open_site(settings) as site:
        report = wired.coverage(site, Wish(host=host, store=store, policy=policy))
        if html is not None:
            write_out(wired.coverage_page(site, report, language), html)
    if as_json:
        show_json(wired.coverage_data(report, only_bad=only_bad))
    else:
        everything = bool(host or store) and not only_bad
        zone = ZoneInfo(settings.site.timezone)
        found = wired.coverage_table(report, language, zone, everything=everything)
        _print(found.head, found.shares, found.rows, found.tail, only_bad=only_bad)
    return Exit.FINE if report.whole else Exit.BELOW


def _print(
    head: tuple[str, ...],
    shares: tuple[tuple[str, ...], ...],
    rows: tuple[tuple[str, ...], ...],
    tail: tuple[str, ...],
    *,
    only_bad: bool,
) -> None:
    blocks = [] if only_bad else ["\n".join(head), table(shares) if shares else ""]
    blocks += [table(rows) if rows else "", "\n".join(tail)]
    told = "\n\n".join(block for block in blocks if block)
    if told:
        typer.echo(told)
