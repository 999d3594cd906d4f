# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Profiles of pam-auth-update (Debian): their text, their rivals, and whether it would write.

It compares /etc/pam.d/common-* with what it wrote last (/var/lib/pam). Arguments may differ and
lines may be missing; a line that it does not know makes it leave everything as it is, and still
end with status 0. ``untouched`` decides as its ``diff_profiles`` does.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.pam import plain
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.pam_stack import (
    Wanted,
    words_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.text_edits import OFF

FOLDER = "/usr/share/pam-configs/"
_SAVED = "/var/lib/pam/"
_TYPES = ("auth", "account", "password", "session", "session-noninteractive")
_PRIMARY = '# here are the per-package modules (the "Primary" block)'
_FALLBACK = "# here's the fallback if no module succeeds"
_MORE = '# and here are more per-package modules (the "Additional" block)'
_END = "# end of pam-auth-update config"
# before: behind pam_pwquality (1024), in front of Kerberos (704) and pam_unix (256);
# after: behind every module that knows passwords
_PRIORITY = {"before": 1000, "after": 0}


def texts(name: str, wishes: list[Wanted]) -> dict[str, str]:
    """Profile name -> its text: one for the lines before pam_unix, one for those after it."""
    found = {}
    for side, priority in _PRIORITY.items():
        mine = [one for one in wishes if one.side == side]
        if mine:
            found["{0}-{1}".format(name, side)] = _text(name, side, priority, mine)
    return found


def _text(name: str, side: str, priority: int, wishes: list[Wanted]) -> str:
    lines = [
        "Name: {0}, {1} pam_unix".format(name, side),
        "Default: no",
        "Priority: {0}".format(priority),
    ]
    for kind in dict.fromkeys(one.type for one in wishes):
        word = kind.capitalize()
        mine = [one for one in wishes if one.type == kind]
        lines += ["{0}-Type: Primary".format(word), "{0}:".format(word)]
        lines += ["\t" + one.text() for one in mine]
        lines += ["{0}-Initial:".format(word)] + ["\t" + one.text(initial=True) for one in mine]
    return "\n".join(lines) + "\n"


def command(names: list[str], rivals: list[str]) -> list[str]:
    off = ["--disable", *rivals] if rivals else []
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "pam-auth-update"]
    return [*quiet, "--package", *off, "--enable", *names]


def rivals(system: Any, names: list[str], wishes: list[Wanted]) -> list[str]:
    """Profiles in force that bring lines of the same module: both would count one failure twice."""
    modules = {plain(one.module) for one in wishes}
    found: list[str] = []
    for kind in dict.fromkeys(one.type for one in wishes):
        profile = ""
        for line in system.lines(_SAVED + kind):
            if line.startswith("Module: "):
                profile = line[8:].strip()
            elif profile not in (*names, *found) and modules & _modules(line):
                found.append(profile)
    return found


def _modules(line: str) -> set[str]:
    return {plain(word) for word in words_of(line)[1:2]}


def untouched(system: Any) -> bool:
    """Whether pam-auth-update is there and knows every line of the common files."""
    return bool(system.has_command("pam-auth-update")) and all(
        _known(system, kind) for kind in _TYPES
    )


def _known(system: Any, kind: str) -> bool:
    path = "/etc/pam.d/common-" + kind
    block = _block(system.lines(path))
    if block is None or not system.exists(_SAVED + kind):
        return False
    saved = [_shape(one) for one in system.lines(_SAVED + kind) if _is_line(one)]
    real = kind.replace("-noninteractive", "")
    for line in block:
        shape = _shape(re.sub(r"^{0}\s+".format(real), "", line))
        while saved and saved[0] != shape:
            saved.pop(0)
        if not saved:
            return False
        saved.pop(0)
    return True


def _is_line(text: str) -> bool:
    return bool(text) and not text.startswith("Module: ")


def _shape(line: str) -> str:
    """Control and module, without the lengths of jumps and without arguments."""
    text = re.sub(r"(\[[^0-9]*)[0-9]+(.*\])", r"\1\2", line)
    text = re.sub(r"(\[.*)end(.*\])", r"\1\2", text)
    match = re.match(r"(\[[^]]+\]|\w+)\s+\S+", text)
    return match.group(0) if match else text


def _block(lines: list[str]) -> list[str] | None:
    """The lines of both blocks, None when a mark is missing."""
    marks = iter((_PRIMARY, _FALLBACK, _MORE, _END))
    mark = next(marks)
    found: list[str] = []
    for line in lines:
        if line.startswith(mark):
            mark = next(marks, "\n")
        elif mark in (_FALLBACK, _END):
            found.append(line)
    return found if mark == "\n" else None


def without_strays(text: str, kind: str, module: str) -> str:
    """The file without lines of the module outside the blocks that the tool writes."""
    inside = False
    found = []
    for line in text.split("\n"):
        inside = _inside(line, inside)
        words = words_of(line)
        stray = not inside and len(words) > 2 and words[0].lstrip("-") == kind
        off = stray and plain(words[2]) == module
        found.append(OFF + line if off else line)
    return "\n".join(found)


def _inside(line: str, inside: bool) -> bool:
    if line.startswith((_PRIMARY, _MORE)):
        return True
    return inside and not line.startswith((_FALLBACK, _END))
