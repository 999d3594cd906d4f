# SPDX-License-Identifier: GPL-3.0-or-later
"""``storewarden audit`` and ``storewarden report``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storewarden.cli.audit_change import ForChange
from storewarden.cli.change_call import TokenFile
from storewarden.cli.exits import Exit, exit_of, first_of
from storewarden.cli.options import (
    Config,
    Lang,
    Output,
    Shape,
    Since,
    check_output,
    deliver,
    page_for,
    percentage,
    say,
    site_config,
)
from storewarden.cli.progress import ProgressStyle, display
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.reports import AuditReport, Format
from storewarden.wiring import AuditOptions, open_site

if TYPE_CHECKING:
    from storewarden.config import SiteConfig

Sources = Annotated[
    list[str] | None,
    typer.Option("-i", "--inventory", metavar="INV", help="Inventory; may be given again."),
]
Limit = Annotated[str, typer.Option("--limit", metavar="P", help="Only hosts that match.")]
Controls = Annotated[
    list[str] | None,
    typer.Option("--controls", metavar="A01,B*", help="Only these controls: ids or patterns."),
]
FailUnder = Annotated[
    str,
    typer.Option("--fail-under", metavar="95", help="Exit 1 when the effective score is lower."),
]
AcceptShrunk = Annotated[
    bool, typer.Option("--accept-shrunk", help="The inventory has really become that small.")
]
Local = Annotated[bool, typer.Option("--local", help="Audit this machine alone.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
ProgressOption = Annotated[
    ProgressStyle, typer.Option("--progress", help="How progress is shown on stderr.")
]
Change = Annotated[
    str, typer.Option("--change", metavar="NUMBER", help="Attach the report to this change.")
]
Json = Annotated[bool, typer.Option("--json", help="For programs: --format json --progress json.")]


def audit(
    *,
    sources: Sources = None,
    limit: Limit = "",
    controls: Controls = None,
    shape: Shape = Format.TABLE,
    output: Output = None,
    fail_under: FailUnder = "",
    since: Since = "",
    lang: Lang = None,
    local: Local = False,
    accept_shrunk: AcceptShrunk = False,
    change: Change = "",
    token_file: TokenFile = None,
    config: Config = None,
    quiet: Quiet = False,
    progress: ProgressOption = ProgressStyle.AUTO,
    as_json: Json = False,
) -> int:
    """Audit the hosts of an inventory against the baselines, reading only."""
    settings = site_config(config)
    shape = Format.JSON if as_json else shape
    check_output(output)
    wanted = ForChange(settings=settings, number=change, token_file=token_file)
    wanted.require()
    _check_words(sources, limit, controls, local=local)
    options = AuditOptions(
        inventory=tuple(_source(each) for each in sources or ()),
        limit=limit,
        controls=split(controls or []),
        fail_under=percentage(fail_under),
        since=since,
        accept_shrunk=accept_shrunk,
        local=local,
    )
    style = ProgressStyle.JSON if as_json else progress
    style = ProgressStyle.NONE if quiet else _style(style, shape)
    if local and os.geteuid() != 0:
        say("not root: checks that need it end as errors that say so")
    report = _audited(settings, options, style)
    deliver(report, shape, page_for(lang, settings, drift_only=bool(since)), output)
    return first_of((_ended(report), wanted.attach(report)))


def report(
    audit_id: Annotated[
        str, typer.Argument(metavar="[AUDIT]", help="Its id; the last one by default.")
    ] = "last",
    *,
    shape: Shape = Format.TABLE,
    output: Output = None,
    since: Since = "",
    lang: Lang = None,
    config: Config = None,
) -> int:
    """Show a recorded audit again, without touching a host."""
    settings = site_config(config)
    check_output(output)
    with open_site(settings) as site:
        found = site.report(audit_id, since=since)
    deliver(found, shape, page_for(lang, settings, drift_only=bool(since)), output)
    return Exit.FINE


def _check_words(
    sources: list[str] | None, limit: str, controls: list[str] | None, *, local: bool
) -> None:
    """Refuse what would silently audit something else than was asked for."""
    if controls is not None and not split(controls):
        raise ConfigInvalid("names no control", where="--controls", hint="leave it out for all")
    if local and (sources or limit):
        raise ConfigInvalid(
            "audits this machine alone", where="--local", hint="leave out -i and --limit"
        )


def split(given: list[str]) -> tuple[str, ...]:
    """``["A01,B*", "C03"]`` as three patterns."""
    return tuple(part.strip() for each in given for part in each.split(",") if part.strip())


def _source(text: str) -> Path | str:
    """A host list stays text; everything else is a path, from where the command was called."""
    return text if "," in text else Path(text).expanduser().absolute()


def _style(style: ProgressStyle, shape: Format) -> ProgressStyle:
    """A program that reads JSON from stdout can read it from stderr as well."""
    if style is ProgressStyle.AUTO and shape is Format.JSON and not sys.stderr.isatty():
        return ProgressStyle.JSON
    return style


def _audited(settings: SiteConfig, options: AuditOptions, style: ProgressStyle) -> AuditReport:
    with open_site(settings) as site, display(style, sys.stderr) as shown:
        return site.audit(options, shown.show)


def _ended(found: AuditReport) -> Exit:
    """What happened, in one line each, and the one code for it."""
    codes = []
    if found.interrupted:
        say(f"interrupted: the report is partial ({found.unaudited} hosts not audited)")
        codes.append(Exit.INTERRUPTED)
    if found.unrecorded is not None:
        say(f"not recorded: {found.unrecorded}")
        codes.append(exit_of(found.unrecorded))
    if found.trouble:
        say(f"the audit could not run: {found.trouble}")
        codes.append(Exit.FOREIGN)
    if found.below:
        codes.append(Exit.BELOW)
    if found.unaudited:
        codes.append(Exit.INCOMPLETE)
    return first_of(codes)
