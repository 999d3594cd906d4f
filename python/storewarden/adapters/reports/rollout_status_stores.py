# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores of a rollout at a shell: a letter per host, so that sixty stores fit on a screen; and the
hosts that somebody has to look at, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from storewarden.adapters.reports.harden_table import Sheet
from storewarden.adapters.reports.rollout_status_fit import View
from storewarden.adapters.reports.rollout_status_words import Words
from storewarden.adapters.reports.values import clean
from storewarden.domain.outbox.rollout_terms import HOSTS
from storewarden.domain.rollout.record import HostRecord, HostState
from storewarden.ports.rollout_status import RolloutStatus

LETTERS = {  # one letter and its colour for each state of a host
    HostState.ATTENTION: ("!", "bold red"),
    HostState.UNKNOWN: ("?", "bold red"),
    HostState.OFFLINE_TOUCHED: ("x", "bold red"),
    HostState.OFFLINE_UNTOUCHED: ("-", "yellow"),
    HostState.RESTORED: ("r", "yellow"),
    HostState.UNDOING: ("<", "bold yellow"),
    HostState.PREFLIGHT: ("p", "cyan"),
    HostState.CAPTURED: ("c", "cyan"),
    HostState.APPLYING: ("A", "bold cyan"),
    HostState.VERIFYING: ("V", "bold cyan"),
    HostState.SOAKING: ("o", "green"),
    HostState.AT_TARGET: ("O", "green"),
    HostState.FINAL: ("O", "green"),
    HostState.SKIPPED: ("=", "dim"),
    HostState.PLANNED: (".", "dim"),
}
_GAP = 3
_WIDEST = 24  # letters of a store on a line; of a larger one its hosts are counted


def stores(sheet: Sheet, view: View, limit: int) -> int:
    """Lines of stores, those with trouble and those at work first; then what the letters mean."""
    status, words = view.status, view.words
    found: dict[str, list[HostRecord]] = {}
    for host in status.rollout.hosts.values():
        found.setdefault(host.store, []).append(host)
    order = sorted(
        found, key=lambda store: (_calm(found[store], status), found[store][0].wave, store)
    )
    sheet.title(words["grid"])
    width = max(len(clean(store)) + _room(found[store]) for store in order) + 1 + _GAP
    across = max(1, (view.page.width - 2 + _GAP) // width)
    shown = order[: limit * across]
    if len(shown) < len(order):  # then of those whose turn is far off only the number matters
        shown = [store for store in shown if not _far_off(found[store], status)]
    for begin in range(0, len(shown), across):
        cells = shown[begin : begin + across]
        sheet.say(_line([(clean(store), _letters(found[store])) for store in cells], width))
    rest = order[len(shown) :]
    if rest:
        told = _counted((host.state for store in rest for host in found[store]), words)
        sheet.say("  " + words("more_stores", count=len(rest), told=told), "dim")
    sheet.say("  " + _counted(status.counts, words, letters=True), "dim")
    return -(-len(shown) // across)


def _line(cells: Sequence[tuple[str, Text]], width: int) -> Text:
    line = Text("  ", no_wrap=True)
    for store, letters in cells:
        line.append(store).append(" ").append_text(letters)
        line.append(" " * (width - len(store) - 1 - len(letters)))
    return line


def _calm(hosts: Sequence[HostRecord], status: RolloutStatus) -> int:
    """What is looked for first: trouble, then work, then what has been changed, then the rest."""
    if any(status.troubled(host) for host in hosts):
        return 0
    if any(host.dispatch for host in hosts):
        return 1
    return 2 if any(host.touched for host in hosts) else 3


def _far_off(hosts: Sequence[HostRecord], status: RolloutStatus) -> bool:
    here = status.rollout.wave
    later = here is not None and hosts[0].wave > here.number
    return later and all(host.state is HostState.PLANNED for host in hosts)


def _room(hosts: Sequence[HostRecord]) -> int:
    return len(_letters(hosts))


def _letters(hosts: Sequence[HostRecord]) -> Text:
    found = Text()
    if len(hosts) <= _WIDEST:
        for host in hosts:
            found.append(*LETTERS[host.state])
        return found
    counts = Counter(host.state for host in hosts)
    for state, (letter, style) in LETTERS.items():
        if counts[state]:
            found.append(f"{counts[state]}{letter}", style)
    return found


def _counted(states: Iterable[HostState], words: Words, *, letters: bool = False) -> str:
    """How many are in which state; with the letter of each, as a legend."""
    counts, told = Counter(states), Counter[str]()
    for state, (letter, _) in LETTERS.items():
        if counts[state]:
            told[f"{letter} " * letters + words.of(HOSTS[state.value])] += counts[state]
    return words["semi"].join(f"{word} {count}" for word, count in told.items())


def owed(sheet: Sheet, view: View, limit: int) -> int:
    """Hosts that are not where they were meant to go, and why; those that need a person first."""
    words = view.words
    rows = sorted(_troubles(view.status, words), key=lambda row: row[0])
    if not rows:
        return 0
    sheet.title(words["owed"])
    view.rows(sheet, [(clean(name), told) for _, name, told in rows[:limit]])
    if len(rows) > limit:
        sheet.say("  " + words("more", count=len(rows) - limit), "dim")
    return len(rows)


def _troubles(status: RolloutStatus, words: Words) -> Iterator[tuple[int, str, str]]:
    order = list(LETTERS)
    for host in status.rollout.hosts.values():
        if host.debt or status.troubled(host):
            debt = words.either(host.debt, host.debt_zh)
            reason = words.either(host.reason, host.reason_zh)
            told = (words.of(HOSTS[host.state.value]), "" if reason in debt else reason, debt)
            line = words["colon"].join(each for each in told if each)
            yield order.index(host.state), host.name, line
