# SPDX-License-Identifier: GPL-3.0-or-later
"""``storewarden rollout``: a payload's way through the stores; here its group, and ``plan``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.audit import Limit, Sources
from storewarden.cli.change_call import change_number
from storewarden.cli.exits import Exit, first_of
from storewarden.cli.gathered import gathered
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
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.rollout.deadlines import RiskClass
from storewarden.ports.rollout_reports import RolloutPlanFormat, RolloutPlanReport
from storewarden.wiring import open_site
from storewarden.wiring import rollout_plan as wired
from storewarden.wiring.rollout_plan import RolloutPlanOptions

if TYPE_CHECKING:
    from storewarden.config import SiteConfig
    from storewarden.domain.rollout.spec import RolloutSpec

rollout = typer.Typer(
    help="Roll a payload out through the stores, in waves.", no_args_is_help=False
)


def _number(text: str) -> str:
    return change_number(text) if text else ""


File = Annotated[
    Path, typer.Argument(metavar="FILE", help="A rollout file: what, through which waves.")
]
Change = Annotated[
    str,
    typer.Option(
        "--change", metavar="NUMBER", help="For this change and its hosts.", callback=_number
    ),
]
Emergency = Annotated[
    bool, typer.Option("--emergency", help="The emergency lane: soaks are cut short.")
]
SoakOption = Annotated[
    str, typer.Option("--soak", metavar="30m", help="How long each wave is watched.")
]
Shape = Annotated[RolloutPlanFormat, typer.Option("--format", help="The shape of the plan.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """How a plan is shown."""

    shape: Shape = RolloutPlanFormat.TABLE
    output: Output = None
    lang: Lang = None
    config: Config = None
    as_json: Annotated[bool, typer.Option("--json", help="For programs: --format json.")] = False

    @property
    def format(self) -> RolloutPlanFormat:
        """The shape of the plan."""
        return RolloutPlanFormat.JSON if self.as_json else self.shape


@rollout.callback()
def _group() -> None:
    """Roll a payload out through the stores, in waves."""


@rollout.command()
@gathered
def plan(
    file: File,
    *,
    change: Change = "",
    sources: Sources = None,
    limit: Limit = "",
    store: Annotated[
        str, typer.Option("--store", metavar="ID", help="What this store will live through.")
    ] = "",
    emergency: Emergency = False,
    soak: SoakOption = "",
    at: Annotated[
        str,
        typer.Option("--at", metavar="TIME", help="As if begun then; as in 2026-06-18T23:30."),
    ] = "",
    risk: Annotated[
        RiskClass, typer.Option("--risk", help="Of the update; a change brings its own.")
    ] = RiskClass.MEDIUM,
    show: Show,
) -> int:
    """Show waves with their dates, what gates and deadlines say, and what stands in the way.

    Nothing is recorded and no host is asked.
    """
    from storewarden.wiring.rollout_files import payload_about  # noqa: PLC0415 - YAML

    settings = site_config(show.config)
    check_output(show.output)
    options = RolloutPlanOptions(
        change=change,
        inventory=tuple(_source(each) for each in sources or ()),
        limit=limit,
        emergency=emergency,
        soak=soak_length(soak),
        start=_moment(at, settings),
        risk=risk,
        store=store,
        file=str(file),
    )
    spec = told_file(file)
    if spec is None:
        return Exit.USAGE
    options = replace(options, summary=payload_about(spec.payload).summary)
    with open_site(settings) as site:
        report = wired.look_ahead(site, spec, options)
    page = page_for(show.lang, settings, drift_only=False)
    write_out(wired.rendered(report, show.format, page), show.output)
    return ended(report)


def told_file(file: Path) -> RolloutSpec | None:
    """The rollout of ``file``; None when it has several mistakes, all of which were told."""
    from storewarden.config.rollout_file import RolloutFileInvalid  # noqa: PLC0415 - YAML
    from storewarden.wiring.rollout_files import read_file  # noqa: PLC0415

    try:
        return read_file(file)
    except RolloutFileInvalid as invalid:
        for mistake in invalid.mistakes:
            say(mistake)
        return None


def ended(report: RolloutPlanReport) -> Exit:
    """What the plan says, as the one code for it."""
    codes = [] if report.good else [Exit.BELOW]
    if report.plan.refused or report.gone:
        codes.append(Exit.INCOMPLETE)
    return first_of(codes)


def soak_length(text: str) -> timedelta | None:
    """``--soak``; None when it is not given."""
    from storewarden.config.rollout_words import length  # noqa: PLC0415 - a few words

    if not text:
        return None
    found = length(text)
    if found is None:
        hint = "as 30m, 24h, 1h30m or 7d"
        raise ConfigInvalid(f"{text!r} is not a length of time", where="--soak", hint=hint)
    return found


def _moment(text: str, settings: SiteConfig) -> datetime | None:
    """A moment, on the site's clock when it names no zone."""
    if not text:
        return None
    try:
        if len(text.strip()) <= len("2026-06-18"):
            raise ValueError
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        hint = "as 2026-06-18T23:30, or with an offset: +08:00 or Z"
        raise ConfigInvalid(f"{text!r} is not a time", where="--at", hint=hint) from None
    zone = ZoneInfo(settings.site.timezone)
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _source(text: str) -> Path | str:
    return text if "," in text else Path(text).expanduser().absolute()
