# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel runs with, and what the next boot would make of it."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, texts
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.text_files import (
    drop_ins,
)

# sysctl.d(5), modprobe.d(5): a file name in an earlier folder hides the same name in a later one
_SYSCTL_FOLDERS = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
_SYSCTL = ["{0}/sysctl.d/*.conf".format(folder) for folder in _SYSCTL_FOLDERS]
_MODPROBE = ["{0}/modprobe.d/*.conf".format(folder) for folder in _SYSCTL_FOLDERS]
# a tmpfs of "half the memory" has another size after every kernel update
_OF_MEMORY = re.compile(r"(size|nr_inodes|nr_blocks)=")
_REFUSERS = re.compile(r"^(/usr)?/s?bin/(true|false)$|^/dev/null$|^(true|false)$")


def _sysctl(system: Any, query: dict[str, Any]) -> dict[str, str | None]:
    slashed = _slashed(str(query["key"]))
    runtime = system.read("/proc/sys/" + slashed)
    return {
        "runtime": None if runtime is None else " ".join(runtime.split()),
        "persisted": _persisted(system, slashed),
    }


def _slashed(key: str) -> str:
    """The path below /proc/sys; the first separator says which of the two is meant."""
    first = re.search(r"[./]", key)
    if first is None or first.group(0) == "/":
        return key
    return key.translate(str.maketrans("./", "/."))


def _persisted(system: Any, slashed: str) -> str | None:
    """The last assignment's value; one that names the key beats any wildcard (systemd)."""
    exact: str | None = None
    named = excluded = False
    wild: str | None = None
    for key, value in system.remember(("sysctl.d",), lambda: _assignments(system)):
        if key == slashed:
            exact, named, excluded = value, True, value is None
        elif value is not None and _path_match(slashed, key):
            wild = value
    if named:
        return None if excluded else exact
    return wild


def _path_match(path: str, pattern: str) -> bool:
    parts, patterns = path.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def _assignments(system: Any) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    for path in drop_ins(system, _SYSCTL):
        for line in system.lines(path):
            text = line.strip()
            if not text or text[0] in "#;":
                continue
            key, equals, value = text.partition("=")
            key = key.strip()
            if not equals and not key.startswith("-"):
                continue  # systemd ignores it too, with a warning
            name = _slashed(key[1:].strip() if key.startswith("-") else key)
            found.append((name, " ".join(value.split()) if equals else None))
    return found


def _kmod(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    loaded = {line.split(" ", 1)[0] for line in system.lines("/proc/modules") if line}
    refused = system.remember(("modprobe.d",), lambda: _refused(system))
    known = system.remember(("modules",), lambda: _known_modules(system))
    result = []
    for name in texts(query["names"]):
        plain = name.replace("-", "_")
        entry = {
            "name": name,
            "loaded": plain in loaded,
            "blocked": plain in refused,
            "available": plain in known[0],
        }
        if known[1]:
            entry["note"] = known[1]
        result.append(entry)
    if query.get("exposed"):
        return [one for one in result if one["loaded"] or (one["available"] and not one["blocked"])]
    return result


def _refused(system: Any) -> set[str]:
    """Modules that modprobe would not load: an install line that does nothing, or a blacklist."""
    install: dict[str, bool] = {}
    listed: set[str] = set()
    for path in drop_ins(system, _MODPROBE):
        for line in system.lines(path):
            words = line.split()
            if len(words) > 2 and words[0] == "install":
                # modprobe runs the first install line it finds for a module
                install.setdefault(words[1].replace("-", "_"), bool(_REFUSERS.match(words[2])))
            elif len(words) > 1 and words[0] == "blacklist":
                listed.add(words[1].replace("-", "_"))
    return {name for name, nothing in install.items() if nothing} | listed


def _known_modules(system: Any) -> tuple[set[str], str]:
    """Modules of the running kernel, and a note when the host has no module tree (a container)."""
    release = (system.read("/proc/sys/kernel/osrelease") or "").strip()
    folder = next(
        (
            path
            for path in ("/lib/modules/" + release, "/usr/lib/modules/" + release)
            if release and system.exists(path)
        ),
        None,
    )
    if folder is None:
        return set(), "no modules of kernel {0} on this host".format(release or "(unknown)")
    names = set()
    for index in ("modules.dep", "modules.builtin"):
        for line in system.lines(folder + "/" + index):
            base = line.split(":", 1)[0].rsplit("/", 1)[-1]
            names.add(re.sub(r"\.ko(\.\w+)?$", "", base).replace("-", "_"))
    return names, ""


def _mount(system: Any, query: dict[str, Any]) -> dict[str, Any] | None:
    """The mount on top of the path, if the path is a mount point of its own."""
    wanted = str(query["path"]).rstrip("/") or "/"
    found = None
    for line in system.lines("/proc/self/mountinfo"):
        before, _dash, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if len(left) < 6 or len(right) < 3 or _unescaped(left[4]) != wanted:
            continue
        options = left[5].split(",")
        options += [one for one in right[2].split(",") if one not in options]
        options = [one for one in options if not _OF_MEMORY.match(one)]
        found = {"source": _unescaped(right[1]), "fstype": right[0], "options": options}
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)


GETTERS = (
    Getter("sysctl", _sysctl, ("key",)),
    Getter("kmod", _kmod, ("names",), ("exposed",)),
    Getter("mount", _mount, ("path",)),
)
