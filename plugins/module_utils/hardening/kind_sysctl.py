# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``sysctl``: kernel settings, now and at every boot.

Ours is the last of sysctl.d(5)'s files. A file that sorts behind it and says otherwise would win at
the next boot, so its line is commented out.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.own_lines import (
    HEADER,
    key_of,
    merged,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import (
    Change,
    FixFailed,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import told
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.touching import (
    content,
    file_items,
)

# Behind 99-sysctl.conf, which Debian makes a link to /etc/sysctl.conf.
_OURS = "/etc/sysctl.d/99-zz-storewarden.conf"
_FOLDERS = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
_ROOT = "/proc/sys/"
_REDIRECTS = "net.ipv4.conf.all.accept_redirects"


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``settings: {key: value}``; a ``*`` in a key stands for every such part that exists. A value
    may be a list of accepted ones (the first is set), or ``{at_least: number}``."""
    ours = str(fix.get("path", _OURS))
    settings = {str(key): _chosen(system, str(key), one) for key, one in fix["settings"].items()}
    live = _live(system, settings)
    texts = _texts(system, ours, settings)
    changes = [
        Change("{0} at boot ({1})".format(what, path), before, after)
        for path, _text, different in texts
        for what, before, after in different
    ]
    changes += [Change(key, before, after) for key, (before, after) in live.items()]
    items = [item for path, _text, _changes in texts for item in file_items(system, path)]
    items += [{"kind": "sysctl", "name": _dotted(key)} for key in live]

    def act(hands: Any) -> None:
        for path, text, _changes in texts:
            hands.write(path, text)
        redirects = hands.run(["sysctl", "-n", _REDIRECTS]).strip() if _resets(live) else ""
        for key, (_before, value) in live.items():
            hands.run(["sysctl", "-q", "-w", "{0}={1}".format(_dotted(key), value)])
        if redirects:
            hands.run(["sysctl", "-q", "-w", "{0}={1}".format(_REDIRECTS, redirects)])

    return told(fix, changes, items, act)


def _resets(live: dict[str, tuple[str, str]]) -> bool:
    """Whether the kernel will turn redirects back on: it does when forwarding is switched off."""
    return "net/ipv4/ip_forward" in live or "net/ipv4/conf/all/forwarding" in live


def _chosen(system: Any, key: str, value: Any) -> str:
    """The value to set: what is in force when it is one of a list, or ``at_least`` a number.

    A host that is stricter than asked must not be made weaker by the fix of another setting.
    """
    now = " ".join((system.read(_ROOT + _slashed(key)) or "").split())
    if isinstance(value, list):
        accepted = [str(one) for one in value]
        return now if now in accepted else accepted[0]
    if isinstance(value, dict):
        least = int(value["at_least"])
        return now if now.isdigit() and int(now) >= least else str(least)
    return str(value)


def _live(system: Any, settings: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Setting (with slashes) -> (value now, value wanted), where they differ.

    A key that this kernel does not have is left to the boot files.
    """
    found: dict[str, tuple[str, str]] = {}
    for key, value in settings.items():
        for path in _paths(system, key):
            now = " ".join((system.read(path) or "").split())
            if now != value:
                _must_be_writable(system, path, key)
                found[path[len(_ROOT) :]] = (now, value)
    return found


def _paths(system: Any, key: str) -> list[str]:
    path = _ROOT + _slashed(key)
    if "*" in path:
        return list(system.glob(path))
    return [path] if system.exists(path) else []


def _must_be_writable(system: Any, path: str, key: str) -> None:
    """A container sees its host's kernel, often read-only."""
    best, options = "", ""
    for line in system.lines("/proc/self/mountinfo"):
        words = line.split(" ")
        point = words[4] if len(words) > 5 else ""
        if point and (path + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, options = point, words[5]
    if "ro" in options.split(","):
        raise FixFailed(
            "{0} is read-only here (a container has its host's kernel)".format(key),
            "{0} 在此只读（容器与宿主机共用内核）".format(key),
        )


def _texts(
    system: Any, ours: str, settings: dict[str, str]
) -> list[tuple[str, str, list[tuple[str, str | None, str | None]]]]:
    """Files to write: (path, text, what is different)."""
    now = content(system, ours)
    lines = ["{0} = {1}".format(key, value) for key, value in settings.items()]
    text, different = merged(HEADER if now is None else now, lines, key_of(None, "="))
    found: list[tuple[str, str, list[tuple[str, str | None, str | None]]]] = []
    if different:
        said = [(key, _value(before), _value(after)) for key, before, after in different]
        found.append((ours, text, said))
    for path in _later(system, ours):
        rest, gone = _without(content(system, path) or "", settings)
        if gone:
            found.append((path, rest, [(key, value, None) for key, value in gone]))
    return found


def _value(line: str | None) -> str | None:
    return None if line is None else line.partition("=")[2].strip()


def _later(system: Any, ours: str) -> list[str]:
    """Files that are read after ours."""
    name = ours.rsplit("/", 1)[-1]
    found = []
    for folder in _FOLDERS:
        for path in system.glob(folder + "/sysctl.d/*.conf"):
            if path.rsplit("/", 1)[-1] > name and system.resolve(path) is not None:
                found.append(path)
    return found


def _without(text: str, settings: dict[str, str]) -> tuple[str, list[tuple[str, str]]]:
    """The text with lines that say otherwise commented out, and those lines."""
    wanted = {_slashed(key): value for key, value in settings.items()}
    gone = []
    lines = text.splitlines(keepends=True)
    for place, line in enumerate(lines):
        key, equals, value = line.strip().lstrip("-").partition("=")
        if not equals or line.lstrip().startswith(("#", ";")):
            continue
        name = _slashed(key.strip())
        if wanted.get(name, value.strip()) != value.strip():
            gone.append((key.strip(), value.strip()))
            lines[place] = "# " + line
    return "".join(lines), gone


def _slashed(key: str) -> str:
    """The path below /proc/sys; whichever separator comes first separates (sysctl(8))."""
    first = re.search(r"[./]", key)
    if first is None or first.group(0) == "/":
        return key
    return key.translate(str.maketrans("./", "/."))


def _dotted(path: str) -> str:
    """The name with dots; a part that has a dot itself keeps the slashes for the others."""
    return path if "." in path else path.replace("/", ".")
