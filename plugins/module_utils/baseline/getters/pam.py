# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A PAM stack as the library would run it: includes resolved, and every module file looked for.

A required line whose module is missing refuses everybody, which is how many a hardening recipe
locks its users out; so each line says whether its module exists.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import (
    Getter,
    chosen,
    texts,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    ProbeError,
)

_TYPES = ("auth", "account", "password", "session")
_FOLDERS = ("/etc/pam.d/", "/usr/lib/pam.d/")  # pam.d(5): the first that has the service
_MODULES = (
    "/lib/*-linux-*/security/",
    "/usr/lib/*-linux-*/security/",
    "/lib/security/",
    "/lib64/security/",
    "/usr/lib64/security/",
    "/usr/lib/security/",
)
_DEPTH = 16  # the library's own limit on substacks
WORD = re.compile(r"\[(?:\\.|[^\]])*\]|\S+")


def lines_of(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines of one service (or of several, one after the other) that the query asks for."""
    kind = chosen(query, "type", _TYPES)
    found: list[dict[str, Any]] = []
    for service in texts(query["service"]):
        entries: list[dict[str, Any]] = []
        _stack(system, service, kind, entries, ())
        for position, entry in enumerate(entries, 1):
            entry["position"] = position
            entry["service"] = service
        first, last = _between(entries, query)
        found += [one for one in entries[first:last] if _asked_for(one, query)]
    return found


def _between(entries: list[dict[str, Any]], query: dict[str, Any]) -> tuple[int, int]:
    """Behind the first line of module ``after``, in front of the first of module ``before``."""
    modules = [plain(one["module"]) for one in entries]
    first, last = 0, len(entries)
    if query.get("after"):
        wanted = plain(str(query["after"]))
        first = modules.index(wanted) + 1 if wanted in modules else last
    if query.get("before"):
        wanted = plain(str(query["before"]))
        last = modules.index(wanted) if wanted in modules else last
    return first, last


def _asked_for(entry: dict[str, Any], query: dict[str, Any]) -> bool:
    if query.get("module") and plain(entry["module"]) != plain(str(query["module"])):
        return False
    if query.get("with_arg") and not set(texts(query["with_arg"])) & set(entry["args"]):
        return False
    return not query.get("control") or bool(re.search(str(query["control"]), entry["control"]))


def plain(module: str) -> str:
    """The name of a module without folder and ending."""
    return re.sub(r"\.so$", "", module.rsplit("/", 1)[-1])


def _stack(
    system: Any, service: str, kind: str, entries: list[dict[str, Any]], above: tuple[str, ...]
) -> None:
    if service in above or len(above) > _DEPTH:
        raise ProbeError(OUTPUT, "pam includes {0} in a circle".format(service))
    path = file_of(system, service)
    if path is None:
        if above:
            raise ProbeError(
                OUTPUT, "{0} includes {1}, which is missing".format(above[-1], service)
            )
        return
    for line in _logical_lines(system.lines(path)):
        words = WORD.findall(line)
        if words[0] == "@include" and len(words) > 1:
            _stack(system, words[1], kind, entries, (*above, service))
            continue
        if len(words) < 3 or words[0].lower().lstrip("-") != kind:
            continue
        if words[1] in ("include", "substack"):
            _stack(system, words[2], kind, entries, (*above, service))
            continue
        entries.append(_entry(system, words))


def file_of(system: Any, service: str) -> str | None:
    if service.startswith("/"):
        return service if system.exists(service) else None
    return next((one + service for one in _FOLDERS if system.exists(one + service)), None)


def _logical_lines(lines: list[str]) -> list[str]:
    found, held = [], ""
    for line in lines:
        text = line.split("#", 1)[0].rstrip()
        if text.endswith("\\"):
            held += text[:-1] + " "
            continue
        text, held = (held + text).strip(), ""
        if text:
            found.append(text)
    return found


def _entry(system: Any, words: list[str]) -> dict[str, Any]:
    arguments = [word[1:-1] if word.startswith("[") else word for word in words[3:]]
    options = {}
    for word in arguments:
        name, equals, value = word.partition("=")
        options[name] = value if equals else "true"
    return {
        "position": 0,
        "control": " ".join(words[1].split()),
        "module": words[2],
        "args": arguments,
        "options": options,
        "exists": bool(module_paths(system, words[2])),
    }


def module_paths(system: Any, module: str) -> list[str]:
    """Where the library would find this module; empty when it is not installed."""
    if module.startswith("/"):
        return [module] if system.exists(module) else []
    found = [path for folder in _MODULES for path in system.glob(folder + module)]
    return [path for path in found if system.exists(path)]


GETTERS = (
    Getter(
        "pam",
        lines_of,
        ("service", "type"),
        ("module", "before", "after", "with_arg", "control"),
    ),
)
