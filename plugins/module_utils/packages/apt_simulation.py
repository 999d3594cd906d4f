# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads what ``apt-get --simulate`` says it would do.

``Inst`` lines name what comes, ``Remv`` and ``Purg`` what goes; ``Conf`` lines only repeat. Lines
of ``apt-get`` are meant for programs ("This is only a simulation") and are not translated.
"""

from __future__ import annotations

import re

from .transaction import Move, Simulation

# Inst NAME [OLD] (NEW ARCHIVE, ARCHIVE [ARCH]) [what else breaks on the way]
_INST = re.compile(r"Inst (\S+)(?: \[([^\]\s]+)\])? \((\S+) ?(.*?) ?\[([a-z0-9-]+)\]\)")
_GONE = re.compile(r"(?:Remv|Purg) (\S+)(?: \[([^\]\s]+)\])?")
_KEPT = "The following packages have been kept back:"


def parse(text: str) -> Simulation:
    """The transaction, in apt's order. A package that is removed to come back counts once."""
    moves: dict[str, Move] = {}
    gone: dict[str, Move] = {}
    for line in text.splitlines():
        match = _INST.match(line)
        if match:
            name, old, new, origins, arch = match.groups()
            before = gone.pop(name, None)
            moves[name] = Move(name, arch, old or (before.old if before else None), new, origins)
            continue
        match = _GONE.match(line)
        if match and match[1] not in moves:
            gone[match[1]] = Move(match[1], "", match[2], None)
    return Simulation((*moves.values(), *gone.values()), tuple(_kept(text)))


def _kept(text: str) -> list[str]:
    """The indented lines below the heading."""
    found: list[str] = []
    lines = iter(text.splitlines())
    for line in lines:
        if line == _KEPT:
            for below in lines:
                if not below.startswith("  "):
                    break
                found += below.split()
    return sorted(found)
