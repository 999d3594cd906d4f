# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of two rpm versions is the newer one, by rpm's own rule.

Runs of digits are compared as numbers, runs of letters as text; a number wins over letters. A
tilde sorts before everything, also before the end; a caret after the end, but before anything else.
"""

from __future__ import annotations

import re

_PART = re.compile(r"\d+|[A-Za-z]+|~|\^")
# Ranks of what stands at one place.
_TILDE, _END, _CARET, _LETTERS, _DIGITS = range(5)


def newer(one: str, other: str) -> bool:
    """Whether ``[EPOCH:]VERSION[-RELEASE]`` `one` comes after `other`."""
    return _key(one) > _key(other)


def _key(text: str) -> list[list[tuple[int, int, str]]]:
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    version, _dash, release = rest.partition("-")
    return [[(_DIGITS, int(epoch or 0), "")], _parts(version), _parts(release)]


def _parts(text: str) -> list[tuple[int, int, str]]:
    found = []
    for part in _PART.findall(text):
        if part == "~":
            found.append((_TILDE, 0, ""))
        elif part == "^":
            found.append((_CARET, 0, ""))
        elif part.isdigit():
            found.append((_DIGITS, int(part), ""))
        else:
            found.append((_LETTERS, 0, part))
    return [*found, (_END, 0, "")]
