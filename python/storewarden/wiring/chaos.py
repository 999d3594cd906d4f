# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments at one site: its inventory, its healing, its runner and its journal, joined."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from storewarden.domain.chaos.plan import MOST_HOSTS
from storewarden.flows.chaos import ChaosParts, News, plan_experiment, run_experiment
from storewarden.flows.chaos_book import ChaosBook
from storewarden.flows.chaos_facts import FactParts
from storewarden.flows.chaos_play import ChaosPlay
from storewarden.wiring.changes import change_rules
from storewarden.wiring.healing import Healing
from storewarden.wiring.here import operator
from storewarden.wiring.interrupts import interruption
from storewarden.wiring.play_settings import play_settings

if TYPE_CHECKING:
    from storewarden.domain.chaos.experiment import Experiment
    from storewarden.domain.chaos.plan import Plan, Wish
    from storewarden.ports.reports import Language
    from storewarden.wiring.site import Site


def chaos_plan(site: Site, wish: Wish, most: int = MOST_HOSTS) -> Plan:
    """What would be done, with every reason for and against it; nothing is broken."""
    return plan_experiment(_parts(site, most, lambda _seconds: True, _unwatched), wish)


def chaos_run(
    site: Site, wish: Wish, most: int = MOST_HOSTS, watch: Callable[[News], None] | None = None
) -> Experiment:
    """One experiment to its end; INT and TERM take the fault back at once. Raises Refused."""
    with interruption() as stop:
        return run_experiment(_parts(site, most, stop.wait, watch or _unwatched), wish)


def chaos_page(site: Site, experiment: Experiment, language: Language) -> str:
    """The experiment as an HTML file."""
    from storewarden.adapters.reports.chaos_html import render  # noqa: PLC0415 - jinja2

    config = site.config.site
    return render(experiment, language, config.name, ZoneInfo(config.timezone))


def chaos_table(experiment: Experiment, language: Language) -> tuple[list[list[str]], list[str]]:
    """The result's table with its head, and the lines that belong below it."""
    from storewarden.adapters.reports import chaos_view  # noqa: PLC0415

    found = chaos_view.lines(experiment, language)
    rows = [[*chaos_view.heads(language)], *([*each.cells] for each in found)]
    colon = chaos_view.word("why", language)
    below = [f"{each.cells[0]}: {colon}: {each.why}" for each in found if each.why]
    return rows, [*below, *chaos_view.summary(experiment, language)]


def _unwatched(_news: News) -> None:
    """Nobody looks."""


def _parts(
    site: Site, most: int, wait: Callable[[float], bool], watch: Callable[[News], None]
) -> ChaosParts:
    healing = Healing(site)
    return ChaosParts(
        facts=FactParts(
            world=healing.world.gathered,
            estate=healing.estate,
            changes=site.changes,
            approvals=change_rules(site),
            rules=lambda: [rule.name for rule in healing.rules],
        ),
        book=ChaosBook(site.ledger),
        healing=site.ledger.alerts,
        play=ChaosPlay(runner=site.runner, estate=healing.estate, settings=play_settings(site)),
        clock=site.clock,
        by=operator(),
        wait=wait,
        watch=watch,
        most=most,
    )
