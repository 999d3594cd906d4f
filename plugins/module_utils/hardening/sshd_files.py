# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""sshd's configuration as files: which directive stands where, and whether it comes before ours.

sshd takes the first value that it meets, and for a connection that a Match block fits, the one in
the block. A Match block ends with its file; an Include inside one is read only for that block.
"""

from __future__ import annotations

import fnmatch
import re
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.text_edits import text_of

MAIN = "/etc/ssh/sshd_config"
OURS = "/etc/ssh/sshd_config.d/00-storewarden.conf"
_WORDS = re.compile(r"\s*=\s*|\s+")
_DEPTH = 16  # sshd's own limit


class Directive(NamedTuple):
    """One line. ``early``: sshd meets it before our file; ``match``: in a Match block."""

    path: str
    key: str  # lower case
    value: str
    match: bool
    early: bool


class Config:
    """Every directive of sshd_config and what it includes, in the order of reading.

    ``ours``: the keys in our own file, which is not among the directives.
    """

    def __init__(self, system: Any) -> None:
        self._system = system
        self.included = False  # our file is read for every connection
        self.directives: list[Directive] = []
        lines = text_of(system, OURS).split("\n")
        self.ours = [one[0] for one in map(directive_in, lines) if one is not None]
        self._read(MAIN, False, 0)
        if not self.included:  # our file will be included by the first line of all
            self.directives = [one._replace(early=False) for one in self.directives]

    def _read(self, path: str, match: bool, depth: int) -> None:
        if path == OURS and not match:
            self.included = True
        if path == OURS or depth > _DEPTH:
            return
        for line in text_of(self._system, path).split("\n"):
            setting = directive_in(line)
            if setting is None:
                continue
            key, value = setting
            if key == "match":
                match = value.lower() != "all"
            elif key == "include":
                for name in self._files(value):
                    self._read(name, match, depth + 1)
            else:
                self.directives.append(Directive(path, key, value, match, not self.included))

    def _files(self, value: str) -> list[str]:
        """Files of an Include line; ours counts as there already."""
        found: list[str] = []
        for word in value.replace('"', " ").split():
            pattern = word if word.startswith("/") else "/etc/ssh/" + word
            names = set(self._system.glob(pattern))
            names |= {OURS} if fnmatch.fnmatchcase(OURS, pattern) else set()
            found += sorted(names)
        return found


def directive_in(line: str) -> tuple[str, str] | None:
    """(key in lower case, value) of a line, None for an empty one or a comment."""
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    words = _WORDS.split(text, maxsplit=1)
    value = re.sub(r"\s+#.*$", "", words[1]) if len(words) > 1 else ""
    return words[0].lower(), value.strip().strip('"')
