# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``mount``: options of mount points, now and at the next boot.

A path without a mount of its own is bound onto itself: it gets options, and what lies in it stays
where and what it is. At boot the line in fstab counts, else the unit that mounts it, whose
options a drop-in repeats with ours behind them.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change, Step
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import words
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.touching import (
    content,
    file_items,
)

_FSTAB = "/etc/fstab"
_OPPOSITE = {"nodev": "dev", "nosuid": "suid", "noexec": "exec"}
_FLAGS = ("rw", "ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime")
_UNITS = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
_KEPT = re.compile(r"(mode|uid|gid|huge)=")
_LINE = re.compile(r"(\s*\S+\s+(\S+)\s+\S+)(\s+)(\S+)(.*)$")
_HEADER = "# Written by storewarden: the unit's options, with those of the baseline behind them.\n"


class _Mount(NamedTuple):
    """What is mounted on a path, on top: its own flags, and the file system's options."""

    source: str
    kind: str
    flags: tuple[str, ...]
    data: tuple[str, ...]


class _Work:
    """What is to be done, gathered path by path."""

    def __init__(self, fstab: str) -> None:
        self.fstab = fstab
        self.drop_ins: dict[str, str] = {}
        self.commands: list[list[str]] = []
        self.changes: list[Change] = []
        self.paths: list[str] = []
        self.left: list[dict[str, str]] = []


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``paths``, ``options`` (those that take something away); ``waived``: paths left alone."""
    waived = words(fix.get("waived"))
    before = content(system, _FSTAB) or ""
    work = _Work(before)
    for path in words(fix["paths"]):
        if path not in waived:
            _one_path(system, work, path, words(fix["options"]))
    if not work.changes:
        return Step(remains=tuple(work.left))
    items: list[dict[str, Any]] = [{"kind": "mounts", "paths": work.paths}] if work.paths else []
    items += [item for path in work.drop_ins for item in file_items(system, path)]
    if work.fstab != before:
        items += file_items(system, _FSTAB)
    reload_units = system.has_command("systemctl")

    def act(hands: Any) -> None:
        if work.fstab != before:
            hands.write(_FSTAB, work.fstab)
        for path, text in work.drop_ins.items():
            hands.write(path, text)
        if reload_units:
            hands.run(["systemctl", "daemon-reload"])
        for argv in work.commands:
            hands.run(argv)

    return Step(tuple(work.changes), tuple(items), act, remains=tuple(work.left))


def _one_path(system: Any, work: _Work, path: str, wanted: list[str]) -> None:
    mount = _on_top(system, path)
    if mount is None and not system.exists(path):
        return
    _now(work, path, mount, wanted)
    _at_boot(system, work, path, (mount, wanted))


def _now(work: _Work, path: str, mount: _Mount | None, wanted: list[str]) -> None:
    has = () if mount is None else (*mount.flags, *mount.data)
    missing = [one for one in wanted if one not in has]
    if not missing:
        return
    flags = [one for one in (mount.flags if mount else ()) if one in _FLAGS]
    shown = None if mount is None else ",".join(mount.flags)
    after = ",".join([*flags, *(one for one in wanted if one not in flags)])
    work.paths.append(path)
    work.changes.append(Change("mount " + path, shown, after))
    if mount is None:
        work.commands.append(["mount", "--bind", path, path])
    # `bind` makes it a matter of this mount point alone, whatever the file system is
    work.commands.append(["mount", "-o", "remount,bind," + after, path])


def _at_boot(system: Any, work: _Work, path: str, given: tuple[_Mount | None, list[str]]) -> None:
    mount, wanted = given
    if _line_of(work.fstab, path) is not None:
        text = with_options(work.fstab, path, wanted)
        if text != work.fstab:
            lines = (_line_of(work.fstab, path), _line_of(text, path))
            work.changes.append(Change("{0}: {1}".format(_FSTAB, path), *lines))
            work.fstab = text
        return
    unit = _unit(system, path) if mount is not None else None
    if unit is not None:
        _drop_in(system, work, unit, wanted)
    elif mount is None:
        _new_line(work, path, "{0} {0} none bind,{1} 0 0".format(path, ",".join(wanted)))
    elif mount.kind == "tmpfs":
        data = [one for one in mount.data if _KEPT.match(one)]
        _new_line(work, path, "tmpfs {0} tmpfs {1} 0 0".format(path, ",".join([*wanted, *data])))
    else:
        work.left.append(_unknown(path, mount))


def _new_line(work: _Work, path: str, line: str) -> None:
    work.changes.append(Change("{0}: {1}".format(_FSTAB, path), None, line))
    ends = "" if not work.fstab or work.fstab.endswith("\n") else "\n"
    work.fstab += ends + line + "\n"


def _unknown(path: str, mount: _Mount) -> dict[str, str]:
    return {
        "en": "{0} ({1}) is mounted neither by fstab nor by a unit: see to its options at boot"
        "".format(path, mount.kind),
        "zh": "{0}（{1}）既非由 fstab 也非由 systemd 单元挂载，请人工确认开机挂载选项".format(
            path, mount.kind
        ),
    }


def _drop_in(system: Any, work: _Work, unit: str, wanted: list[str]) -> None:
    name = unit.rsplit("/", 1)[-1]
    ours = "/etc/systemd/system/{0}.d/50-storewarden.conf".format(name)
    options = _unit_options(system, unit, name)
    missing = [one for one in wanted if one not in options]
    if not missing:
        return
    options = [one for one in options if one not in [_OPPOSITE.get(word) for word in wanted]]
    text = "{0}[Mount]\nOptions={1}\n".format(_HEADER, ",".join([*options, *missing]))
    work.drop_ins[ours] = text
    work.changes.append(Change(ours, content(system, ours) and "other options", ",".join(missing)))


def _unit_options(system: Any, unit: str, name: str) -> list[str]:
    """The options in force: of the last assignment, drop-ins by name behind the unit's own file."""
    drop_ins = {}
    for folder in reversed(_UNITS):
        for path in system.glob("{0}/systemd/system/{1}.d/*.conf".format(folder, name)):
            drop_ins[path.rsplit("/", 1)[-1]] = path
    found = ""
    for path in [unit, *(drop_ins[key] for key in sorted(drop_ins))]:
        for line in system.lines(path):
            match = re.match(r"\s*Options\s*=\s*(.*?)\s*$", line)
            found = match.group(1) if match else found
    return [one for one in found.split(",") if one]


def _unit(system: Any, path: str) -> str | None:
    """The file of the unit that mounts this path."""
    name = path.strip("/").replace("-", "\\x2d").replace("/", "-") + ".mount"
    for folder in _UNITS:
        place = "{0}/systemd/system/{1}".format(folder, name)
        if system.exists(place):
            return None if system.resolve(place) == "/dev/null" else place
    return None


def _on_top(system: Any, path: str) -> _Mount | None:
    found = None
    for line in system.lines("/proc/self/mountinfo"):
        before, _dash, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if len(left) > 5 and len(right) > 2 and left[4] == path:
            data = tuple(one for one in right[2].split(",") if one not in ("rw", "ro"))
            found = _Mount(right[1], right[0], tuple(left[5].split(",")), data)
    return found


# -- fstab ----------------------------------------------------------------------------------------


def _line_of(text: str, path: str) -> str | None:
    for line in text.splitlines():
        match = _LINE.match(line)
        if match and not line.lstrip().startswith("#") and match.group(2) == path:
            return line
    return None


def with_options(text: str, path: str, wanted: list[str]) -> str:
    """fstab with these options on the line of this path; options that say the opposite go."""
    lines = text.splitlines()
    for place, line in enumerate(lines):
        match = _LINE.match(line)
        if not match or line.lstrip().startswith("#") or match.group(2) != path:
            continue
        opposite = [_OPPOSITE.get(one) for one in wanted]
        options = [one for one in match.group(4).split(",") if one not in opposite]
        options += [one for one in wanted if one not in options]
        lines[place] = match.group(1) + match.group(3) + ",".join(options) + match.group(5)
    return "".join(line + "\n" for line in lines)
