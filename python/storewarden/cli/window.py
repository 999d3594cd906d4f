# SPDX-License-Identifier: GPL-3.0-or-later
"""``storewarden window``: may work begin, and what do the next days look like."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, page_for, say, site_config
from storewarden.cli.window_words import KINDS, WORDS
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.domain.maintenance.calendar import RuleKind
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.judge import Reason
from storewarden.domain.maintenance.words import duration, moment, operation_name, said
from storewarden.flows.window import Grouping, HostAnswer, StaleName, WindowQuery
from storewarden.ports.reports import Language
from storewarden.wiring import open_site, windows

window = typer.Typer(help="When work is allowed, and why not.", no_args_is_help=False)

Sources = Annotated[
    list[str] | None,
    typer.Option("-i", "--inventory", metavar="INV", help="Inventory; may be given again."),
]
Operation = Annotated[
    OperationClass, typer.Option("--operation", help="The class of work; it decides.")
]
Lang = Annotated[Language | None, typer.Option("--lang", help="Language; the site's by default.")]
At = Annotated[
    str,
    typer.Option("--at", metavar="TIME", help="As in 2026-06-18T23:30; now by default."),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here, not to stdout.")
]


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_FOREIGN = (RuleKind.WINDOW.value, RuleKind.BLACKOUT.value, RuleKind.CAMPAIGN.value)
"""What ``--as`` may say of events that do not say what they are."""


@window.callback()
def _group() -> None:
    """When work is allowed, and why not."""


@window.command()
def check(
    *,
    host: Annotated[
        list[str], typer.Option("--host", metavar="H", help="Host or group; may be given again.")
    ],
    at: At = "",
    needs: Annotated[
        str, typer.Option("--needs", metavar="40m", help="How long the work takes, undo included.")
    ] = "",
    operation: Operation = OperationClass.CONFIGURATION,
    sources: Sources = None,
    lang: Lang = None,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> int:
    """May work begin on a host? 0 is yes, 3 is no; why, and when next."""
    settings = site_config(config)
    query = WindowQuery(
        sources=_sources(sources),
        hosts=tuple(name.strip() for each in host for name in each.split(",") if name.strip()),
        at=_at(at),
        needs=_needs(needs),
        operation=operation,
    )
    if not query.hosts:
        raise ConfigInvalid("names no host", where="--host")
    with open_site(settings) as site:
        found = windows.check(site, query)
    language = lang.value if lang else settings.site.language
    _tell(found.stale, language)
    if as_json:
        typer.echo(_json(query, found.answers, language))
    else:
        typer.echo("\n".join(_lines(query, found.answers, language)))
    return Exit.FINE if found.allowed else Exit.REFUSED


@window.command()
def calendar(
    *,
    days: Annotated[int, typer.Option("--days", min=1, max=92, help="How far ahead.")] = 14,
    group: Annotated[Grouping, typer.Option("--group", help="A block for each.")] = Grouping.STORE,
    host: Annotated[
        list[str] | None, typer.Option("--host", metavar="H", help="Only these hosts or groups.")
    ] = None,
    at: Annotated[
        str, typer.Option("--at", metavar="DAY", help="The first day; today by default.")
    ] = "",
    operation: Operation = OperationClass.CONFIGURATION,
    sources: Sources = None,
    lang: Lang = None,
    config: Config = None,
) -> int:
    """Draw the next two weeks: when work is allowed in which stores."""
    from storewarden.cli.window_calendar import drawn  # noqa: PLC0415 - rich costs 0.1 s

    settings = site_config(config)
    query = WindowQuery(
        sources=_sources(sources),
        hosts=tuple(name for each in host or () for name in each.split(",")),
        at=_at(f"{at}T00:00" if _DAY.fullmatch(at) else at),  # a calendar begins with a day
        operation=operation,
        days=days,
        grouping=group,
    )
    with open_site(settings) as site:
        found = windows.ahead(site, query)
    page = page_for(lang, settings, drift_only=False)
    _tell(found.stale, page.language.value)
    typer.echo(drawn(found, operation, group, page), nl=False)
    return Exit.FINE


@window.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An iCalendar file.")],
    *,
    kind: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="KIND",
            help="What events are that do not say so: window, blackout or campaign.",
        ),
    ] = "",
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Of the new file; the old one's name.")
    ] = "",
    lang: Lang = None,
    config: Config = None,
) -> int:
    """Check an iCalendar file and keep it among the site's calendars."""
    if kind and kind not in _FOREIGN:
        raise ConfigInvalid(
            f"{kind!r} is no kind", where="--as", hint=f"one of {', '.join(_FOREIGN)}"
        )
    if not re.fullmatch(r"[\w. -]*", name) or name.startswith("."):
        raise ConfigInvalid(f"{name!r} is not a plain name", where="--name")
    settings = site_config(config)
    with open_site(settings) as site:
        path, rules = windows.import_calendar(
            site, file, name=name, kind=RuleKind(kind) if kind else None
        )
    words = WORDS[lang.value if lang else settings.site.language]
    typer.echo(words["kept"].format(count=len(rules), path=path))
    return Exit.FINE


@window.command()
def export(output: Output = None, lang: Lang = None, config: Config = None) -> int:
    """Write the site's windows, blackouts, campaigns and holidays as iCalendar."""
    settings = site_config(config)
    with open_site(settings) as site:
        data, rules = windows.export_calendar(site)
    if output is None:
        sys.stdout.write(data.decode().replace("\r\n", "\n"))
        return Exit.FINE
    try:
        output.write_bytes(data)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise AdapterError(f"cannot be written: {reason}", where=str(output)) from error
    words = WORDS[lang.value if lang else settings.site.language]
    say(words["exported"].format(count=len(rules), path=output))
    return Exit.FINE


def _sources(given: list[str] | None) -> tuple[Path | str, ...]:
    """A host list stays text; everything else is a path, from where the command was called."""
    return tuple(
        text if "," in text else Path(text).expanduser().absolute() for text in given or ()
    )


def _at(text: str) -> datetime | None:
    if not text:
        return None
    try:
        if len(text.strip()) <= len("2026-06-18"):
            raise ValueError
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigInvalid(
            f"{text!r} is not a time",
            where="--at",
            hint="as 2026-06-18T23:30 on the store's clock, or with an offset: +08:00 or Z",
        ) from None


def _needs(text: str) -> timedelta:
    match = re.fullmatch(r"(?:(\d{1,3})h)?\s*(?:(\d{1,4})m(?:in)?)?", text.strip().lower())
    if match is None:
        raise ConfigInvalid(
            f"{text!r} is not a length of time", where="--needs", hint="as 40m, 2h or 1h30m"
        )
    hours, minutes = (int(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes)


def _tell(stale: tuple[StaleName, ...], language: str) -> None:
    for each in stale:
        say(
            WORDS[language]["stale"].format(
                source=each.source,
                rule=each.rule,
                kind=KINDS[language].get(each.kind, each.kind),
                name=each.name,
            )
        )


def _lines(query: WindowQuery, answers: tuple[HostAnswer, ...], language: str) -> list[str]:
    return [line for answer in answers for line in _answer(query, answer, language)]


def _answer(query: WindowQuery, answer: HostAnswer, language: str) -> list[str]:
    words, decision, zone = WORDS[language], answer.decision, answer.zone
    lines = [
        words["head_needs" if query.needs else "head"].format(
            host=answer.device.name,
            answer=words["yes" if decision.allowed else "no"],
            operation=operation_name(query.operation, language),
            needs=duration(query.needs, language),
            at=moment(answer.at, zone, language),
            zone=zone,
        )
    ]
    lines += [f"  {_with_source(reason, answer, language)}" for reason in decision.reasons]
    if decision.allowed:
        until = moment(decision.until, zone, language) if decision.until else ""
        lines.append("  " + words["until" if until else "no_end"].format(until=until))
        if decision.hard_stop and decision.hard_stop != decision.until:
            stop = moment(decision.hard_stop, zone, language)
            lines.append("  " + words["hard_stop"].format(at=stop))
    elif decision.next_start is not None and decision.next_end is not None:
        line = words["next"].format(
            starts=moment(decision.next_start, zone, language),
            ends=moment(decision.next_end, zone, language),
            length=duration(decision.next_end - decision.next_start, language),
        )
        lines.append(f"  {line}")
    else:
        lines.append("  " + words["never"])
    return lines + [f"  {said(note, zone, language)}" for note in decision.notes]


def _with_source(reason: Reason, answer: HostAnswer, language: str) -> str:
    line = said(reason, answer.zone, language)
    return f"{line} [{reason.source}]" if reason.source else line


def _json(query: WindowQuery, answers: tuple[HostAnswer, ...], language: str) -> str:
    whole = {
        "allowed": all(answer.decision.allowed for answer in answers),
        "operation": query.operation.value,
        "needs_minutes": int(query.needs.total_seconds() // 60),
        "answers": [_answer_data(answer, language) for answer in answers],
    }
    return json.dumps(whole, ensure_ascii=False, indent=2)


def _answer_data(answer: HostAnswer, language: str) -> dict[str, Any]:
    decision, zone = answer.decision, answer.zone

    def iso(at: datetime | None) -> str | None:
        return at.astimezone(zone).isoformat() if at else None

    def reasons(several: tuple[Reason, ...]) -> list[dict[str, Any]]:
        return [
            {
                "ground": each.ground.value,
                "name": each.name,
                "text": said(each, zone, language),
                "source": each.source,
                "guide": each.guide,
                "from": iso(each.starts),
                "until": iso(each.ends),
            }
            for each in several
        ]

    return {
        "host": answer.device.name,
        "store": answer.device.store,
        "zone": str(zone),
        "at": iso(answer.at),
        "allowed": decision.allowed,
        "reasons": reasons(decision.reasons),
        "until": iso(decision.until),
        "next_start": iso(decision.next_start),
        "next_end": iso(decision.next_end),
        "hard_stop": iso(decision.hard_stop),
        "provisional": list(decision.provisional),
        "notes": reasons(decision.notes),
    }
