# SPDX-License-Identifier: GPL-3.0-or-later
"""``storewarden harden``: what would be done, do it on a change, take it back, what was done."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storewarden.cli.audit import Controls, Limit, ProgressOption, Quiet, Sources, split
from storewarden.cli.change_call import TokenFile, change_number, refusals_in
from storewarden.cli.exits import Exit, first_of
from storewarden.cli.gathered import gathered
from storewarden.cli.harden_progress import display
from storewarden.cli.harden_words import closing_lines, said
from storewarden.cli.options import (
    Config,
    Lang,
    Output,
    check_output,
    page_for,
    say,
    site_config,
    write_out,
)
from storewarden.cli.progress import ProgressStyle
from storewarden.domain.baseline.control import Risk
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.harden import Deed, HardenFormat, HardenReport
from storewarden.ports.reports import Language
from storewarden.wiring import harden as wired
from storewarden.wiring import open_site
from storewarden.wiring.harden import HardenOptions

if TYPE_CHECKING:
    from storewarden.config import SiteConfig
    from storewarden.flows.harden_progress import HardenWatcher
    from storewarden.flows.harden_ready import WorkDesk
    from storewarden.wiring import Site

    type OnChange = Callable[[HardenOptions, WorkDesk, HardenWatcher], HardenReport]

harden = typer.Typer(help="Fix what audits find, on a change.", no_args_is_help=False)

_SECONDS = 300  # reference: hardening §5, the revert timer


def _number(text: str) -> str:
    return change_number(text) if text else ""


Change = Annotated[
    str,
    typer.Option(
        "--change", metavar="NUMBER", help="On this change and its hosts.", callback=_number
    ),
]
NeededChange = Annotated[
    str, typer.Option("--change", metavar="NUMBER", help="The change.", callback=change_number)
]
MaxRisk = Annotated[
    Risk, typer.Option("--max-risk", help="Leave out fixes that risk more than this.")
]
Deadline = Annotated[
    int,
    typer.Option("--deadline", metavar="SECONDS", help="A host waits so long, then undoes."),
]
Shape = Annotated[HardenFormat, typer.Option("--format", help="The shape of the report.")]
Json = Annotated[bool, typer.Option("--json", help="For programs: --format json --progress json.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """How a verb of ``harden`` shows what it does."""

    shape: Shape = HardenFormat.TABLE
    output: Output = None
    lang: Lang = None
    config: Config = None
    token_file: TokenFile = None
    quiet: Quiet = False
    progress: ProgressOption = ProgressStyle.AUTO
    as_json: Json = False

    @property
    def format(self) -> HardenFormat:
        """The shape of the report on stdout."""
        return HardenFormat.JSON if self.as_json else self.shape

    @property
    def style(self) -> ProgressStyle:
        """How progress is shown on stderr."""
        if self.quiet:
            return ProgressStyle.NONE
        return ProgressStyle.JSON if self.as_json else self.progress


@harden.callback()
def _group() -> None:
    """Fix what audits find, on a change."""


@harden.command()
@gathered
def plan(
    *,
    sources: Sources = None,
    limit: Limit = "",
    controls: Controls = None,
    max_risk: MaxRisk = Risk.R3,
    change: Change = "",
    attach: Annotated[
        str,
        typer.Option("--attach", metavar="NUMBER", help="Attach to this change.", callback=_number),
    ] = "",
    deadline: Deadline = _SECONDS,
    show: Show,
) -> int:
    """Show what would be done, per host and control: now, after, risk, restarts, lock-outs."""
    settings = site_config(show.config)
    check_output(show.output)
    options = HardenOptions(
        change=change,
        inventory=tuple(_source(each) for each in sources or ()),
        limit=limit,
        controls=_controls(controls),
        max_risk=max_risk,
        deadline=timedelta(seconds=deadline),
    )
    with open_site(settings) as site, refusals_in(settings):
        if not (change or attach):
            report = _watched(show, lambda watch: site.harden_plan(options, None, watch))
            return _shown(report, settings, show, deadline)
        with wired.service_desk(site, os.environ, show.token_file) as desk:
            report = _watched(show, lambda watch: site.harden_plan(options, desk, watch))
            code = _shown(report, settings, show, deadline)
            if attach:
                _attach(desk, attach, report, show.lang or Language(settings.site.language))
    return code


@harden.command()
@gathered
def start(
    *,
    change: NeededChange,
    limit: Limit = "",
    controls: Controls = None,
    max_risk: MaxRisk = Risk.R3,
    deadline: Deadline = _SECONDS,
    finish: Annotated[
        bool, typer.Option("--finish", help="Close the change when every host is as required.")
    ] = False,
    show: Show,
) -> int:
    """Fix the hosts of a change: approved (it is started then) or in progress, in its window."""
    options = HardenOptions(
        change=change,
        limit=limit,
        controls=_controls(controls),
        max_risk=max_risk,
        deadline=timedelta(seconds=deadline),
        finish=finish,
    )
    return _on_change(options, show, deadline, Deed.FIX)


@harden.command()
@gathered
def undo(*, change: NeededChange, limit: Limit = "", show: Show) -> int:
    """Take back what a change has fixed, newest first, and compare with the audit before."""
    return _on_change(HardenOptions(change=change, limit=limit), show, _SECONDS, Deed.UNDO)


@harden.command()
def status(
    *,
    change: NeededChange,
    lang: Lang = None,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> int:
    """Show what was done on a change, per host and apply group."""
    settings = site_config(config)
    with open_site(settings) as site:
        found = site.harden_status(change)
    page = page_for(lang, settings, drift_only=False)
    typer.echo(wired.rendered_status(found, page, as_json=as_json), nl=False)
    return Exit.FINE


def _on_change(options: HardenOptions, show: Show, deadline: int, deed: Deed) -> int:
    settings = site_config(show.config)
    check_output(show.output)
    with open_site(settings) as site, refusals_in(settings):
        verb = _verb(site, deed)
        with wired.service_desk(site, os.environ, show.token_file) as desk:
            report = _watched(show, lambda watch: verb(options, desk, watch))
    return _shown(report, settings, show, deadline)


def _verb(site: Site, deed: Deed) -> OnChange:
    return site.harden_undo if deed is Deed.UNDO else site.harden_start


def _watched(show: Show, work: Callable[[HardenWatcher], HardenReport]) -> HardenReport:
    with display(show.style, sys.stderr) as shown:
        return work(shown.show)


def _attach(desk: WorkDesk, number: str, report: HardenReport, language: Language) -> None:
    wired.attach_plan(desk, number, report, language.value)
    say(said("attached", language.value, change=number))


def _shown(report: HardenReport, settings: SiteConfig, show: Show, deadline: int) -> Exit:
    """The report, what to do next, and the one exit code for it."""
    page = page_for(show.lang, settings, drift_only=False)
    write_out(wired.rendered(report, show.format, page), show.output)
    language = (show.lang or Language(settings.site.language)).value
    for line in closing_lines(report, language, deadline):
        say(line)
    return ended(report)


def ended(report: HardenReport) -> Exit:
    """What happened, as the one code for it."""
    found, codes = report.conclusion, []
    if report.interrupted:
        codes.append(Exit.INTERRUPTED)
    if report.troubles:
        codes.append(Exit.FOREIGN)
    if report.deed is Deed.PLAN:
        missed = any(host.state.value != "nothing" and not host.groups for host in report.hosts)
        return first_of([*codes, Exit.INCOMPLETE if missed else Exit.FINE])
    if found.missed or report.differences or report.left_over:
        codes.append(Exit.BELOW)
    if found.open or found.untouched:
        codes.append(Exit.INCOMPLETE)
    return first_of(codes)


def _controls(given: list[str] | None) -> tuple[str, ...]:
    """Refuse an empty choice: it would mean all of them."""
    if given is not None and not split(given):
        raise ConfigInvalid("names no control", where="--controls", hint="leave it out for all")
    return split(given or [])


def _source(text: str) -> Path | str:
    return text if "," in text else Path(text).expanduser().absolute()
