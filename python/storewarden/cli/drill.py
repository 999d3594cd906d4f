# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden drill`: restores are rehearsed, timed and recorded."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.change_call import Json, show_json
from storewarden.cli.drill_words import Shown, left, rehearsed, whole
from storewarden.cli.exits import Exit
from storewarden.cli.group import Group
from storewarden.cli.options import Config, Lang, check_output, say, site_config, write_out
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.reports import Language

if TYPE_CHECKING:
    from storewarden.config import SiteConfig
    from storewarden.flows.drill import TargetDrill
    from storewarden.flows.drill_record import Rehearsal
    from storewarden.wiring import Site

drill = typer.Typer(cls=Group, help="Rehearse restores: what was never restored is not proven.")

_QUARTER = re.compile(r"(\d{4})-?[Qq]([1-4])")
Hosts = Annotated[
    list[str] | None,
    typer.Argument(metavar="[HOST]...", help="By default those whose turn it is."),
]
PolicyId = Annotated[str, typer.Option("--policy", metavar="P", help="Of one policy only.")]
SetId = Annotated[str, typer.Option("--set", metavar="SET", help="One set of the catalog.")]
From = Annotated[
    str,
    typer.Option("--from", metavar="PLACE", help="From this place; else from each in turn."),
]
At = Annotated[str, typer.Option("--at", metavar="TIME", help="Come back to this moment.")]
Since = Annotated[str, typer.Option("--since", metavar="DAY", help="From this day on.")]


@drill.callback()
def _group() -> None:
    """Rehearse restores: what was never restored is not proven."""


@drill.command()
def run(
    hosts: Hosts = None,
    *,
    policy: PolicyId = "",
    set_: SetId = "",
    place: From = "",
    at: At = "",
    disaster: Annotated[
        str, typer.Option("--disaster", metavar="TIME", help="Loss counts from here; else now.")
    ] = "",
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Restore into scratch places, compare with the manifests, throw away, and record the times.

    The exit code is 1 when a rehearsal failed, 4 when one could not be made.
    """
    from storewarden.flows.drill import DrillWish  # noqa: PLC0415
    from storewarden.wiring import backup_proven as wired  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring import open_site  # noqa: PLC0415

    settings = site_config(config)
    language = _language(settings, lang)

    def told(found: Rehearsal) -> None:
        say(rehearsed(found, language))

    with open_site(settings) as site:
        wish = DrillWish(
            hosts=tuple(hosts or ()),
            policy=policy,
            set=set_,
            location=place,
            at=moment_of(at, settings, "--at"),
            disaster=moment_of(disaster, settings, "--disaster"),
        )
        done = wired.drill(site, wish, told)
        records = [each.record for one in done for each in one.rehearsals if each.record]
        shown = _shown(site, settings, lang)
    if as_json:
        not_made = [each.target.name for each in done if not each.done or each.lack]
        show_json({"drills": shown.data(records), "not_made": not_made})
    else:
        typer.echo("\n".join([*([shown.table(records)] if records else []), *left(done, language)]))
    return exit_of_drills(done)


@drill.command("list")
def list_(
    *,
    since: Since = "",
    host: Annotated[str, typer.Option("--host", metavar="H", help="Of one host only.")] = "",
    policy: PolicyId = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most.")] = 100,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Show rehearsals, newest first; 1 when one of them failed."""
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s

    settings = site_config(config)
    begin = moment_of(since, settings, "--since")
    with open_site(settings) as site:
        site.require_ledger()
        found = site.ledger.backups.drills(host=host, policy=policy, since=begin, limit=limit)
        shown = _shown(site, settings, lang)
    if as_json:
        show_json({"drills": shown.data(found)})
    elif found:
        typer.echo(shown.table(found))
    else:
        say(shown.none)
    return Exit.FINE if all(each.passed for each in found) else Exit.BELOW


@drill.command()
def show(
    ident: Annotated[str, typer.Argument(metavar="DRILL", help="Its id: storewarden drill list.")],
    *,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Show one rehearsal: set, place, phases, times beside what was promised, differences."""
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s

    settings = site_config(config)
    with open_site(settings) as site:
        site.require_ledger()
        found = [each for each in site.ledger.backups.drills() if each.id == ident]
        shown = _shown(site, settings, lang)
    if not found:
        raise ConfigInvalid(
            "there is no such drill", where=ident[:80], hint="storewarden drill list"
        )
    if as_json:
        show_json(shown.data(found)[0])
    else:
        typer.echo("\n".join([shown.table(found), *shown.below(found[0])]))
    return Exit.FINE if found[0].passed else Exit.BELOW


@drill.command()
def report(
    *,
    quarter: Annotated[
        str, typer.Option("--quarter", metavar="2026Q4", help="This one by default.")
    ] = "",
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the auditor's page here.")
    ] = None,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Show what was rehearsed in a quarter, by policy, beside what the policies ask for.

    The exit code is 1 when a policy did not get its rehearsals, or one of them failed.
    """
    from storewarden.domain.backup.drill_report import report_data  # noqa: PLC0415
    from storewarden.wiring import backup_proven as wired  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring import open_site  # noqa: PLC0415

    settings = site_config(config)
    check_output(html)
    language = _language(settings, lang)
    with open_site(settings) as site:
        site.require_ledger()
        begin, end = quarter_of(quarter, site.clock.now().astimezone(_zone(settings)))
        found = wired.drills_report(site, begin, end)
        page = wired.drills_page(site, found, language) if html else ""
    if html:
        write_out(page, html)
    if as_json:
        show_json(report_data(found))
    elif not html:
        typer.echo(whole(found, language, _zone(settings)))
    return Exit.FINE if found.good else Exit.BELOW


def quarter_of(text: str, now: datetime) -> tuple[datetime, datetime]:
    """Begin and end of a quarter in the zone of ``now``; "" is the one of ``now``. Raises
    ConfigInvalid."""
    year, number = now.year, (now.month - 1) // 3 + 1
    if text:
        found = _QUARTER.fullmatch(text.strip())
        if found is None or not 1970 <= int(found[1]) <= 9998:
            raise ConfigInvalid(f"{text[:20]!r} is no quarter", where="--quarter", hint="as 2026Q4")
        year, number = int(found[1]), int(found[2])
    begin = datetime(year, 3 * number - 2, 1, tzinfo=now.tzinfo)
    after = (year + 1, 1) if number == 4 else (year, 3 * number + 1)
    return begin, datetime(*after, 1, tzinfo=now.tzinfo)


def moment_of(text: str, settings: SiteConfig, option: str) -> datetime | None:
    """A moment as people write it, in the site's zone when it has none; None for "". Raises
    ConfigInvalid."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigInvalid(
            f"{text[:40]!r} is no moment", where=option, hint="2026-06-01T08:30, or with +08:00"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=_zone(settings))


def exit_of_drills(done: tuple[TargetDrill, ...]) -> Exit:
    """What the exit code says of rehearsals."""
    records = [each.record for one in done for each in one.rehearsals if each.record is not None]
    if any(each.lack for each in done) or any(not each.passed for each in records):
        return Exit.BELOW
    return Exit.FINE if all(each.done for each in done) else Exit.INCOMPLETE


def _shown(site: Site, settings: SiteConfig, lang: Language | None) -> Shown:
    from storewarden.wiring.backup import policies  # noqa: PLC0415

    mine = {each.id: each for each in policies(site)}
    return Shown(policies=mine, language=_language(settings, lang), zone=_zone(settings))


def _language(settings: SiteConfig, asked: Language | None) -> Language:
    return asked or Language(settings.site.language)


def _zone(settings: SiteConfig) -> ZoneInfo:
    return ZoneInfo(settings.site.timezone)
