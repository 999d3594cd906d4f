# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a log file is kept, as logrotate would keep it."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, texts
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    ProbeError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.units import size

_PERIODS = {"hourly": 1 / 24, "daily": 1, "weekly": 7, "monthly": 30, "yearly": 365}
_SCRIPTS = ("prerotate", "postrotate", "firstaction", "lastaction", "preremove")
# logrotate(8), tabooext: such files in an included folder are left out
_TABOO = re.compile(
    r"(~|,v|\.(bak|cfsaved|disabled|dpkg-(bak|del|dist|new|old|tmp)|rpm(new|orig|save)|swp|ucf-\w+))$"
)
FOR_EVER = 36500  # days, for `rotate -1`


def _logrotate(system: Any, query: dict[str, Any]) -> Any:
    if "paths" in query:
        return [_kept_path(system, path) for path in _existing(system, query["paths"])]
    return _rotation(system, str(query["path"]))


def _existing(system: Any, patterns: Any) -> list[str]:
    return [path for pattern in texts(patterns) for path in system.glob(pattern)]


def _kept_path(system: Any, path: str) -> dict[str, Any]:
    """A log that nothing rotates is never deleted."""
    kept = _rotation(system, path) or {"days": FOR_EVER, "size_only": False, "max_size": None}
    return dict(kept, path=path)


def _rotation(system: Any, wanted: str) -> dict[str, Any] | None:
    for patterns, settings in system.remember(("logrotate",), lambda: _sections(system)):
        if any(fnmatch.fnmatchcase(wanted, pattern) for pattern in patterns):
            return _kept(settings)
    return None


def _kept(settings: dict[str, Any]) -> dict[str, Any]:
    """logrotate without a period rotates by size alone (1 MiB when no size is given)."""
    period = settings.get("period")
    count = settings.get("rotate", 0)
    days = None
    if period is not None:
        days = FOR_EVER if count < 0 else period * count
        days = min(days, settings.get("maxage", days))
    return {
        "period_days": period,
        "count": count,
        "days": days,
        "size_only": period is None,
        "max_size": settings.get("maxsize"),
    }


def _sections(system: Any) -> list[tuple[list[str], dict[str, Any]]]:
    found: list[tuple[list[str], dict[str, Any]]] = []
    _read_file(system, "/etc/logrotate.conf", {}, found, 0)
    return found


def _read_file(
    system: Any,
    path: str,
    settings: dict[str, Any],
    found: list[tuple[list[str], dict[str, Any]]],
    depth: int,
) -> None:
    """Adds the file's sections; ``settings`` are the global ones, changed on the way as it does."""
    if depth > 3:
        raise ProbeError(OUTPUT, "logrotate includes itself at {0}".format(path))
    patterns: list[str] = []
    inner: dict[str, Any] | None = None
    for line in _statements(system.lines(path)):
        if line == "}":
            found.append((patterns, inner if inner is not None else {}))
            patterns, inner = [], None
        elif line.endswith("{"):
            patterns += _paths(line[:-1])
            inner = dict(settings)
        elif inner is not None:
            _directive(inner, line)
        elif line[0] in "/\"'":
            patterns += _paths(line)
        elif line.startswith("include "):
            for one in _included(system, line.split(None, 1)[1].strip()):
                _read_file(system, one, dict(settings), found, depth + 1)
        else:
            _directive(settings, line)


def _included(system: Any, target: str) -> list[str]:
    names = [name for name in system.listdir(target) if not _TABOO.search(name)]
    paths = ["{0}/{1}".format(target.rstrip("/"), name) for name in names]
    entries = (
        [(path, system.stat(path)) for path in paths] if paths else [(target, system.stat(target))]
    )
    return [path for path, entry in entries if entry is not None and entry.kind == "file"]


def _statements(lines: list[str]) -> list[str]:
    """Lines without comments and scripts; braces stand at the end of a line or alone."""
    found: list[str] = []
    script = False
    for line in lines:
        text = line.strip()
        if script:
            script = text != "endscript"
            continue
        if not text or text.startswith("#"):
            continue
        if text.split()[0] in _SCRIPTS:
            script = True
            continue
        found += _split_braces(text)
    return found


def _split_braces(text: str) -> list[str]:
    """``/a /b { daily }`` on one line is as good as on three."""
    before, brace, after = text.partition("{")
    if not brace:
        body, end, _rest = text.partition("}")
        return [one for one in (body.strip(), "}" if end else "") if one]
    return [before.strip() + " {"] + (_split_braces(after.strip()) if after.strip() else [])


def _paths(text: str) -> list[str]:
    return [one[0] or one[1] or one[2] for one in re.findall(r"\"([^\"]+)\"|'([^']+)'|(\S+)", text)]


def _directive(settings: dict[str, Any], line: str) -> None:
    words = re.split(r"[\s=]+", line)
    name, value = words[0], words[1] if len(words) > 1 else ""
    if name in _PERIODS:
        settings["period"] = _PERIODS[name]
    elif name == "size":  # size and a period exclude each other; the later one counts
        settings["period"] = None
    elif name in ("rotate", "maxage") and re.match(r"-?\d+$", value):
        settings[name] = int(value)
    elif name == "maxsize":
        settings["maxsize"] = size(value)


GETTERS = (Getter("logrotate", _logrotate, one_of=("path", "paths")),)
