# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings in text files: key-value files, INI files, and plain lines."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import (
    Getter,
    chosen,
    texts,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    QUERY,
    ProbeError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.units import CONVERSIONS

_SEPARATOR = r"\s*=\s*|\s+"


def files_of(system: Any, patterns: Any) -> list[str]:
    """The existing files of a list of paths and globs, in the order written, no file twice."""
    found: list[str] = []
    for pattern in texts(patterns):
        found += [path for path in system.glob(pattern) if path not in found]
    return found


def drop_ins(system: Any, patterns: Any) -> list[str]:
    """systemd's order: plain paths, then drop-ins by file name; the first folder wins a name."""
    plain = [one for one in texts(patterns) if not re.search(r"[*?\[]", one)]
    by_name: dict[str, str] = {}
    for pattern in texts(patterns):
        if pattern not in plain:
            for path in system.glob(pattern):
                by_name.setdefault(path.rsplit("/", 1)[-1], path)
    return files_of(system, plain) + [by_name[name] for name in sorted(by_name)]


def _kv(system: Any, query: dict[str, Any]) -> Any:
    take = chosen(query, "take", ("first", "last", "all"), "last")
    convert = CONVERSIONS[chosen(query, "as", tuple(CONVERSIONS), "text")]
    order = drop_ins if query.get("by_name") else files_of
    values = []
    for path in order(system, query["files"]):
        for line in system.lines(path):
            value = _kv_value(line.strip(), query)
            if value is not None:
                values.append(convert(value))
    if take == "all":
        return values
    return (values[-1] if take == "last" else values[0]) if values else None


def _kv_value(line: str, query: dict[str, Any]) -> str | None:
    """The value of the asked key on this line, None when the line is about something else."""
    if not line or line[0] in "#;":
        return None
    parts = _pattern(query.get("sep", _SEPARATOR)).split(line, maxsplit=1)
    key, asked = parts[0].strip(), str(query["key"])
    if query.get("ignore_case"):
        key, asked = key.lower(), asked.lower()
    if key != asked:
        return None
    if len(parts) == 1:
        return "true" if query.get("flag") else None
    # login.defs(5) knows no comment behind a value: it takes "90 # ours" for no number at all
    value = parts[1] if query.get("whole_line") else re.sub(r"\s+#.*$", "", parts[1])
    return _unquoted(value.strip())


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


def _pattern(text: Any) -> Any:
    try:
        return re.compile(str(text))
    except re.error as error:
        raise ProbeError(QUERY, "bad regular expression {0!r}: {1}".format(text, error)) from None


def _ini(system: Any, query: dict[str, Any]) -> Any:
    take = chosen(query, "take", ("first", "last", "all"), "last")
    convert = CONVERSIONS[chosen(query, "as", tuple(CONVERSIONS), "text")]
    values: list[str] = []
    for path in drop_ins(system, query["files"]):
        for section, key, value in _ini_entries(system.lines(path)):
            if section == str(query["section"]) and key == str(query["key"]):
                values = [*values, value] if value else []
    if take == "all":
        return [convert(value) for value in values]
    return convert(values[-1 if take == "last" else 0]) if values else None


def _ini_entries(lines: list[str]) -> Any:
    """(section, key, value) of each assignment; a backslash at the end joins the next line."""
    section, held = "", ""
    for line in lines:
        text = line.strip()
        if text[:1] in ("#", ";"):
            continue
        if text.endswith("\\"):
            held += text[:-1] + " "
            continue
        text, held = (held + text).strip(), ""
        if text.startswith("[") and text.endswith("]"):
            section = text[1:-1]
        elif "=" in text:
            key, value = text.split("=", 1)
            yield section, key.strip(), " ".join(value.split())


def _lines(system: Any, query: dict[str, Any]) -> list[str]:
    wanted = _pattern(query["match"])
    unwanted = _pattern(query["exclude"]) if query.get("exclude") else None
    comment = query.get("comment", "#")
    group = query.get("group", 0)
    found = []
    for path in files_of(system, query["files"]):
        for line in system.lines(path):
            if comment and line.lstrip().startswith(str(comment)):
                continue
            match = wanted.search(line)
            if match and not (unwanted and unwanted.search(line)):
                found.append(_group(match, group))
    return found


def _group(match: Any, group: Any) -> str:
    try:
        return (match.group(group) or "").strip()
    except IndexError:
        raise ProbeError(QUERY, "the expression has no group {0}".format(group)) from None


GETTERS = (
    Getter(
        "kv",
        _kv,
        ("files", "key"),
        ("sep", "take", "flag", "ignore_case", "whole_line", "as", "by_name"),
    ),
    Getter("ini", _ini, ("files", "section", "key"), ("take", "as")),
    Getter("lines", _lines, ("files", "match"), ("group", "exclude", "comment")),
)
