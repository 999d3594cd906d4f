# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the table in which dnf says what it would do (``dnf --assumeno``, C locale).

A section per sort of move, a row per package: name, architecture, version, repository, size and
its unit, where it has one. A row that is too long is folded before its last columns, so words are
counted at the end of each line.
"""

from __future__ import annotations

from typing import Iterator

from .transaction import Move, Simulation

_COMES = ("Installing", "Upgrading", "Downgrading", "Reinstalling")
_GOES = ("Removing",)
_SKIPPED = "Skipping"
_ROW = 5  # name, architecture, version, repository, number; small numbers have no unit
_REPLACING = "replacing"


def parse(text: str, installed: dict[str, str]) -> Simulation:
    """`installed`: name -> version as it is now, for what the rows do not say."""
    moves: dict[str, Move] = {}
    kept: set[str] = set()
    for section, row in _rows(text):
        if row[0] == _REPLACING:
            name = row[1].rpartition(".")[0]
            moves[name] = Move(name, row[1].rpartition(".")[2], row[2], None)
        elif section.startswith(_SKIPPED):
            kept.add(row[0])
        elif section.startswith(_GOES):
            moves[row[0]] = Move(row[0], row[1], row[2], None)
        else:
            moves[row[0]] = Move(row[0], row[1], installed.get(row[0]), row[2], row[3])
    return Simulation(tuple(moves.values()), tuple(sorted(kept)))


def _rows(text: str) -> Iterator[tuple[str, list[str]]]:
    """(section, words) of every row."""
    section = ""
    words: list[str] = []
    for line in text.splitlines():
        if line.startswith("Transaction Summary"):
            return
        if not line.startswith(" "):
            section = line.strip() if line.rstrip().endswith(":") else ""
            words = []
            if not section.startswith((*_COMES, *_GOES, _SKIPPED)):
                section = ""
            continue
        words += line.split() if section else []
        if words[:1] == [_REPLACING] and len(words) >= 3:
            yield section, words[:3]
            words = []
        elif words[:1] != [_REPLACING] and len(words) >= _ROW:
            yield section, words[:_ROW]
            words = []
