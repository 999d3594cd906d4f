# SPDX-License-Identifier: GPL-3.0-or-later
"""``storewarden rollout watch``: a live view on a terminal, lines in a log.

Whoever ends the watching ends nothing else: the work is the controller's. A ledger that does not
answer for a moment does not end it either.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, Lang, page_for, say, site_config
from storewarden.cli.printing import printable
from storewarden.cli.rollout_look import how
from storewarden.cli.rollout_orders import Number
from storewarden.cli.screen import Screen, can_redraw
from storewarden.domain.errors import AdapterError
from storewarden.domain.outbox.rollout_words import story_line
from storewarden.domain.rollout.tables import ENDED
from storewarden.ports.journal import stamp
from storewarden.ports.reports import Language, Page
from storewarden.ports.rollout_status import StatusFormat
from storewarden.wiring import open_site
from storewarden.wiring.interrupts import interruption

if TYPE_CHECKING:
    from threading import Event

    from storewarden.ports.ledger import JournalEntry
    from storewarden.ports.rollout_status import RolloutStatus
    from storewarden.wiring.rollout_status import RolloutLook

_EVERY, _NAP = 1.0, 0.1  # seconds between two looks; until somebody's Ctrl-C is seen
_CALM = 10  # seconds between two pictures while nothing is under way
_LEISURE = 20  # a picture that takes long is drawn more seldom: at most a twentieth of a processor
_NARROWEST, _WIDEST = 60, 160  # columns that are made use of
_NO_LONGER = {
    Language.EN: "no longer watched; the rollout is not touched by that",
    Language.ZH: "不再观看；发布不受影响",
}


def watch(
    number: Number,
    *,
    lang: Lang = None,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON line per entry.")] = False,
) -> int:
    """Follow a rollout until it has ended: a live view on a terminal, lines in a log.

    Ctrl-C ends the watching, never the rollout.
    """
    from storewarden.wiring.rollout_status import RolloutLook  # noqa: PLC0415

    settings = site_config(config)
    page = page_for(lang, settings, drift_only=False)
    with open_site(settings) as site, interruption() as stop:
        look = RolloutLook(site, number)
        if as_json or not can_redraw():
            zone = ZoneInfo(settings.site.timezone)
            code = _lines(look, stop, page.language, None if as_json else zone)
        else:
            code = _live(look, stop, page)
    if code is Exit.INTERRUPTED:
        say(_NO_LONGER[page.language])
    return code


def _live(look: RolloutLook, stop: Event, page: Page) -> Exit:
    """The status, drawn anew every second; its last state stays on the screen, whole."""
    from storewarden.wiring.rollout_status import rendered  # noqa: PLC0415

    found, trouble, drawn = look.status(), "", object()
    with Screen() as screen:
        while not stop.is_set() and found.rollout.state not in ENDED:
            began = time.process_time()
            if drawn != (drawn := _what(found, trouble, screen)):
                screen.draw(trouble + _picture(found, screen, page, bool(trouble)))
            _wait(stop, max(_EVERY, _LEISURE * (time.process_time() - began)))
            try:
                found, trouble = look.status(), ""
            except AdapterError as error:
                trouble = _passing(error)
    typer.echo(rendered(found, StatusFormat.TABLE, page), nl=False)
    return how(found.rollout.state) if found.rollout.state in ENDED else Exit.INTERRUPTED


def _what(found: RolloutStatus, trouble: str, screen: Screen) -> tuple[object, ...]:
    """What a picture depends on: the same again gives the same picture, or nearly. Seconds are
    only counted where something is under way."""
    rollout = found.rollout
    last = found.tail[-1].sequence if found.tail else 0
    step = 1 if rollout.dispatches or rollout.rollback else _CALM
    clock = int(found.at.timestamp()) // step
    return rollout.serial, last, found.stopped, trouble, screen.size, clock


def _picture(found: RolloutStatus, screen: Screen, page: Page, below: int) -> str:
    """What fits on the screen, under so many lines."""
    from storewarden.wiring.rollout_status import rendered  # noqa: PLC0415

    columns, lines = screen.size
    here = replace(page, width=min(max(columns, _NARROWEST), _WIDEST))
    return rendered(found, StatusFormat.TABLE, here, max(lines - below, 1))


def _lines(look: RolloutLook, stop: Event, language: Language, zone: ZoneInfo | None) -> Exit:
    """A line per entry: in words on the clock of ``zone``, or JSON without one."""
    trouble = ""
    while not stop.is_set():
        try:
            # The state is read before the news: what leads to the last state is then among them.
            state, news = look.rollout().state, look.news()
        except AdapterError as error:
            told, trouble = trouble, _passing(error)
            if told != trouble:
                say(trouble.strip())
        else:
            for entry in news:
                _tell(entry, language, zone)
            if state in ENDED:
                return how(state)
        _wait(stop)
    return Exit.INTERRUPTED


def _passing(error: AdapterError) -> str:
    """A line about what may be over in a moment; raises what will not be."""
    if not error.retryable:
        raise error
    return f"{printable(str(error))}\n"


def _wait(stop: Event, seconds: float = _EVERY) -> None:
    """Until the next look, or until somebody wants no more."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not stop.is_set():
        time.sleep(_NAP)


def _tell(entry: JournalEntry, language: Language, zone: ZoneInfo | None) -> None:
    if zone is None:
        typer.echo(_json(entry))
        return
    told = story_line(entry.kind, entry.body, zone)
    if told is not None:
        at = f"{entry.at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        typer.echo(printable(f"{at} {told.in_(language.value)}"))


def _json(entry: JournalEntry) -> str:
    told = story_line(entry.kind, entry.body)
    plain = {
        "sequence": entry.sequence,
        "at": stamp(entry.at),
        "kind": entry.kind,
        "told": None if told is None else {"en": told.en, "zh": told.zh},
        "body": entry.body,
    }
    return json.dumps(plain, ensure_ascii=False, default=str)
