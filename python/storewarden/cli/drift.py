# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden drift`: what is off the baseline and has to be put right, and until when."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.exits import Exit
from storewarden.cli.group import Group
from storewarden.cli.options import Config, Lang, say, site_config
from storewarden.cli.tabular import folded, table, widest
from storewarden.domain.baseline.control import Severity
from storewarden.domain.baseline.drift_ticket import DriftTicket, is_ticket
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.outbox.drift_words import KINDS, due_told, note_of_drift, ticket_of_drift
from storewarden.domain.outbox.notice import Event
from storewarden.domain.outbox.ticket import Voice
from storewarden.ports.drift_tickets import DriftBook
from storewarden.ports.ledger import JournalEntry
from storewarden.ports.reports import Language
from storewarden.wiring import Site, open_site

if TYPE_CHECKING:
    from storewarden.config import SiteConfig

drift = typer.Typer(cls=Group, help="What is off the baseline, and until when it must be right.")

Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]

_HEADS = {
    Language.EN: (
        "DUE",
        "",
        "SEVERITY",
        "HOST",
        "WHAT",
        "OPEN SINCE",
        "AGE",
        "TICKET",
        "ELSEWHERE",
    ),
    Language.ZH: ("期限", "", "严重程度", "设备", "事项", "建单日", "天数", "工单", "外部工单"),
}
_LEAD = 4  # the first columns, which stand below each other on every terminal
_SEVERITIES = {Severity.HIGH: "高", Severity.MEDIUM: "中", Severity.LOW: "低"}


@drift.callback()
def _group() -> None:
    """What is off the baseline, and until when it must be right."""


@drift.command("list")
def list_(
    *,
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="One device only.")] = "",
    overdue: Annotated[bool, typer.Option("--overdue", help="Only what is late.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="With those that were closed, newest first.")
    ] = False,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Show open drift tickets, what is overdue first. 1 when anything is overdue."""
    settings = site_config(config)
    with _site(settings) as site:
        today = _today(site)
        book = site.ledger.drift_tickets
        found = book.tickets(host=host) if everything else _open(book, host)
    shown = [each for each in found if each.overdue(today) or not overdue]
    if not everything:
        shown.sort(key=_urgency)
    language = lang or Language(settings.site.language)
    if as_json:
        plain = [plain_ticket(each, today) for each in shown]
        typer.echo(json.dumps(plain, ensure_ascii=False, indent=2))
    elif shown:
        zone = ZoneInfo(settings.site.timezone)
        typer.echo(listing(shown, today, language, zone, columns=_columns()))
    else:
        say("没有偏离工单" if language is Language.ZH else "no drift tickets")
    return Exit.BELOW if any(each.overdue(today) for each in shown) else Exit.FINE


@drift.command()
def show(
    number: Annotated[str, typer.Argument(metavar="TICKET", help="Its number, or its beginning.")],
    *,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Show one drift ticket and everything that happened to it."""
    settings = site_config(config)
    with _site(settings) as site:
        ticket = _named(site.ledger.drift_tickets, number)
        history = site.ledger.drift_tickets.history(ticket.number)
        today = _today(site)
    if as_json:
        whole = {**plain_ticket(ticket, today), "history": [_entry(each) for each in history]}
        typer.echo(json.dumps(whole, ensure_ascii=False, indent=2))
        return Exit.FINE
    language = (lang or Language(settings.site.language)).value
    voice = Voice(language=language, zone=ZoneInfo(settings.site.timezone))
    opened = history[0].body if history else {}
    words = ticket_of_drift(ticket.number, opened, voice)
    notes = (note_of_drift(_event(each), each.hash, voice) for each in history)
    typer.echo("\n".join((words.title, "", words.body, "", "\n\n".join(notes))))
    return Exit.FINE


def plain_ticket(ticket: DriftTicket, today: date) -> dict[str, object]:
    """A ticket as JSON data."""
    ended = ticket.closed_because
    return {
        "number": ticket.number,
        "kind": ticket.key.kind.value,
        "host": ticket.key.host,
        "control": ticket.key.control,
        "item": ticket.item,
        "store": ticket.store,
        "region": ticket.region,
        "severity": ticket.severity.value,
        "title": dict(ticket.title),
        "reason": dict(ticket.reason),
        "guide": ticket.guide,
        "value": ticket.value,
        "opened_at": ticket.opened_at.isoformat(),
        "opened_by": ticket.audit,
        "due": ticket.due.isoformat(),
        "overdue": ticket.overdue(today),
        "open": ticket.open,
        "closed_at": ticket.closed_at.isoformat() if ticket.closed_at else None,
        "closed_because": ended.value if ended else None,
        "closed_by": ticket.closed_by or None,
        "tickets": dict(ticket.tickets),
    }


def _site(settings: SiteConfig) -> Site:
    """Who only looks makes no ledger."""
    site = open_site(settings)
    site.require_ledger()
    return site


def _today(site: Site) -> date:
    return site.clock.now().astimezone(ZoneInfo(site.config.site.timezone)).date()


def _open(book: DriftBook, host: str) -> tuple[DriftTicket, ...]:
    return book.open_tickets((host,) if host else ())


def _urgency(ticket: DriftTicket) -> tuple[date, int, str, str]:
    """What is due first, then the worst, then host by host: the ledger's own order is by number,
    and a number says nothing."""
    rank = tuple(Severity).index(ticket.severity)
    return (ticket.due, rank, ticket.key.host, ticket.key.control)


def _named(book: DriftBook, text: str) -> DriftTicket:
    """The ticket of that number, or the only one whose number begins so."""
    found = book.ticket(text)
    if found is not None:
        return found
    alike = [each for each in book.tickets() if is_ticket(text) and each.number.startswith(text)]
    if len(alike) == 1:
        return alike[0]
    what = f"{len(alike)} drift tickets begin so" if alike else "there is no such drift ticket"
    raise ConfigInvalid(what, where=text[:40], hint="storewarden drift list --all")


def listing(
    tickets: Sequence[DriftTicket],
    today: date,
    language: Language,
    zone: ZoneInfo,
    *,
    columns: int | None = None,
) -> str:
    """The tickets as a table; for a terminal whose ``columns`` it does not fit into, folded.

    None is no terminal: one line for each ticket, however long, as programs that read lines
    want it.
    """
    head = _HEADS[language]
    rows = [_row(each, today, language, zone) for each in tickets]
    wide = table([head, *rows])
    if columns is None or widest(wide) <= columns:
        return wide
    since, age, ticket, elsewhere = head[_LEAD + 1 :]
    short = [
        (
            *row[: _LEAD + 1],
            row[_LEAD + 3],
            f"{since.lower()} {row[_LEAD + 1]}",
            f"{age.lower()} {row[_LEAD + 2]}",
            f"{elsewhere.lower()} {row[_LEAD + 4]}" if row[_LEAD + 4] != "-" else "",
        )
        for row in rows
    ]
    return folded([(*head[: _LEAD + 1], ticket), *short], _LEAD, columns)


def _columns() -> int | None:
    return get_terminal_size((80, 24)).columns if sys.stdout.isatty() else None


def _row(ticket: DriftTicket, today: date, language: Language, zone: ZoneInfo) -> tuple[str, ...]:
    chinese = language is Language.ZH
    opened = ticket.opened_at.astimezone(zone).date()
    closed = "已关闭" if chinese else "closed"
    due = due_told(ticket.due, today).in_(language.value) if ticket.open else closed
    until = ticket.closed_at.astimezone(zone).date() if ticket.closed_at else today
    return (
        ticket.due.isoformat(),
        due,
        _SEVERITIES[ticket.severity] if chinese else ticket.severity.value,
        ticket.key.host,
        _what(ticket, language),
        opened.isoformat(),
        str((until - opened).days),
        ticket.number,
        _elsewhere(ticket.tickets),
    )


def _what(ticket: DriftTicket, language: Language) -> str:
    title = ticket.title.get(language.value) or ticket.title.get("en", "")
    if ticket.key.control:
        return f"{ticket.key.control} {title}".strip()
    return KINDS[ticket.key.kind.value].in_(language.value)


def _elsewhere(tickets: Mapping[str, str]) -> str:
    return ", ".join(f"{system} {known}" for system, known in sorted(tickets.items())) or "-"


def _entry(entry: JournalEntry) -> dict[str, object]:
    return {
        "sequence": entry.sequence,
        "at": entry.at.isoformat(),
        "kind": entry.kind,
        "body": dict(entry.body),
        "hash": entry.hash,
    }


def _event(entry: JournalEntry) -> Event:
    return Event(
        sequence=entry.sequence,
        at=entry.at,
        kind=entry.kind,
        run=entry.run,
        step=entry.step,
        body=entry.body,
    )
