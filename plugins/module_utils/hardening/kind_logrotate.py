# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``logrotate``: logs that are kept for so many days, and never by their size.

logrotate knows no drop-ins, and a log named in two sections is an error to it. So the section that
rotates the log is changed in place, and only where it keeps too little.
"""

from __future__ import annotations

import math
import re
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change, Step
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import told, words
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.touching import (
    content,
    file_items,
)

_MAIN = "/etc/logrotate.conf"
_OFF = "# off, storewarden: "
_PERIODS = {"hourly": 1 / 24, "daily": 1, "weekly": 7, "monthly": 30, "yearly": 365}
_SCRIPTS = ("prerotate", "postrotate", "firstaction", "lastaction", "preremove")
_TABOO = re.compile(r"(~|,v|\.(bak|cfsaved|disabled|swp|dpkg-\w+|rpm\w+|ucf-\w+))$")


class _Section(NamedTuple):
    """``first`` to ``last``: its lines, from the one that ends in ``{`` to the one with ``}``."""

    path: str
    first: int
    last: int
    patterns: tuple[str, ...]


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``logs: [globs]`` of log files, ``days`` that they must be kept."""
    days = float(fix["days"])
    texts: dict[str, str] = {}
    changes: list[Change] = []
    for kept in GETTERS["logrotate"].look(system, {"paths": words(fix["logs"])}):
        if _enough(kept, days):
            continue
        section = _section_of(system, kept["path"], texts)
        if section is None:
            continue
        text = longer(texts[section.path], section, kept, days)
        if text != texts[section.path]:
            changes.append(_change(section, kept, days))
            texts[section.path] = text
    touched = [path for path, text in texts.items() if text != content(system, path)]
    items = [item for path in touched for item in file_items(system, path)]

    def act(hands: Any) -> None:
        for path in touched:
            hands.write(path, texts[path])

    return told(dict(fix, check=["logrotate", "-d", _MAIN]), changes, items, act)


def _enough(kept: dict[str, Any], days: float) -> bool:
    if kept["size_only"] or kept["max_size"] is not None:
        return False
    return kept["days"] is not None and kept["days"] >= days


def _change(section: _Section, kept: dict[str, Any], days: float) -> Change:
    before = "by size" if kept["size_only"] else "{0:g} days".format(kept["days"] or 0)
    if kept["max_size"] is not None:
        before += ", cut at {0} bytes".format(kept["max_size"])
    what = "{0}: {1}".format(section.path, kept["path"])
    return Change(what, before, "at least {0:g} days".format(days))


def _section_of(system: Any, log: str, texts: dict[str, str]) -> _Section | None:
    """The first section that names this log, as logrotate reads its files."""
    todo = [_MAIN]
    seen: list[str] = []
    while todo:
        path = todo.pop(0)
        if path in seen:
            continue
        seen.append(path)
        if path not in texts:
            texts[path] = spread(content(system, path) or "")
        for section in sections(path, texts[path]):
            if any(fnmatchcase(log, pattern) for pattern in section.patterns):
                return section
        todo = [*_included(system, texts[path]), *todo]
    return None


def _included(system: Any, text: str) -> list[str]:
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*include\s+(\S+)\s*$", line)
        target = match.group(1) if match else ""
        names = [name for name in system.listdir(target) if not _TABOO.search(name)]
        found += [target.rstrip("/") + "/" + name for name in names]
        found += [target] if target and not names and system.exists(target) else []
    entries = [(path, system.stat(path)) for path in found]
    return [path for path, entry in entries if entry is not None and entry.kind == "file"]


# -- text -----------------------------------------------------------------------------------------


def spread(text: str) -> str:
    """``/a { daily }`` on one line becomes three, so that lines can be put between them."""
    if not re.search(r"(?m)^[^#\n]*(\{[ \t]*\S|\S[ \t]*\})", text):
        return text
    found: list[str] = []
    for given, script in _with_scripts(text):
        line = given
        one_line = re.match(r"([^#{]*\{)\s*(\S.*)$", line)
        if script or line.lstrip().startswith("#") or not (one_line or "}" in line):
            found.append(line)
            continue
        if one_line:
            found.append(one_line.group(1))
            line = "\t" + one_line.group(2)
        body, brace, _rest = line.partition("}")
        found += [one for one in (body.rstrip(), brace) if one.strip()]
    return "".join(line + "\n" for line in found)


def sections(path: str, text: str) -> list[_Section]:
    """All sections of a file."""
    found: list[_Section] = []
    patterns: list[str] = []
    first = None
    for place, (line, script) in enumerate(_with_scripts(text)):
        bare = line.strip()
        if script or not bare or bare.startswith("#"):
            continue
        if first is not None:
            if bare == "}":
                found.append(_Section(path, first, place, tuple(patterns)))
                patterns, first = [], None
        elif bare.endswith("{") or bare[0] in "/\"'":
            patterns += re.findall(r"[^\s\"'{]+", bare)
            first = place if bare.endswith("{") else None
    return found


def longer(text: str, section: _Section, kept: dict[str, Any], days: float) -> str:
    """The text whose section keeps its logs for at least ``days``."""
    lines = text.split("\n")
    period, counts = None, []
    for place in _directives(lines, section):
        name, value = [*re.split(r"[\s=]+", lines[place].strip()), ""][:2]
        if name in ("size", "maxsize") or (name == "maxage" and _number(value) < days):
            lines[place] = _OFF + lines[place].strip()
        elif name in _PERIODS:
            period = _PERIODS[name]
        elif name == "rotate":
            counts.append(place)
    more = []
    if period is None and kept["period_days"] is None:
        period = _PERIODS["weekly"]
        more.append("\tweekly")
    period = period or kept["period_days"]
    # one more than it takes: the newest file has only begun
    count = "rotate {0}".format(math.ceil(days / period) + 1)
    if 0 <= int(kept["count"]) * period < days:
        for place in counts:
            lines[place] = re.sub(r"rotate[\s=]+-?\d+", count, lines[place])
        more += [] if counts else ["\t" + count]
    return "\n".join([*lines[: section.last], *more, *lines[section.last :]])


def _directives(lines: list[str], section: _Section) -> list[int]:
    """Places of the section's own directives, without scripts and comments."""
    marked = list(_with_scripts("\n".join(lines)))
    return [
        place
        for place in range(section.first + 1, section.last)
        if not marked[place][1] and marked[place][0].strip()[:1] not in ("", "#")
    ]


def _with_scripts(text: str) -> list[tuple[str, bool]]:
    """Each line, and whether it belongs to a script inside a section."""
    found = []
    script = False
    for line in text.split("\n"):
        bare = line.strip()
        starts = bare.split(" ")[0] in _SCRIPTS
        found.append((line, script or starts))
        script = (script or starts) and bare != "endscript"
    if found and found[-1][0] == "":
        found.pop()
    return found


def _number(text: str) -> float:
    return float(text) if re.match(r"\d+$", text) else 0.0
