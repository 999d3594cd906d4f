# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# ruff: noqa: ARG002 - the methods of all kinds take the same arguments
"""``mounts``: what is mounted on the named places and with which options; and fstab."""

from __future__ import annotations

import os
import re
from typing import Any

from . import mount_calls, trees
from .context import Context
from .failures import BadItem, RestoreError
from .item import Item, Kind, Saved, names_of

_FSTAB = "/etc/fstab"
_OCTAL = re.compile(r"\\([0-7]{3})")
_SWITCHES = {"ro", "rw"}

Mount = dict[str, Any]


class Mounts(Kind):
    """``paths``: mount points. A mount that covers another one counts as well."""

    name = "mounts"
    required = ("paths",)

    def check(self, context: Context, item: Item) -> Item:
        found = super().check(context, item)
        found["paths"] = sorted({os.path.normpath(one) for one in names_of(item, "paths")})
        if not all(path.startswith("/") for path in found["paths"]):
            raise BadItem("mounts: paths must be absolute")
        return found

    def label(self, item: Item) -> str:
        return "mounts " + " ".join(item["paths"])

    def estimate(self, context: Context, item: Item) -> int:
        return trees.size(context, _FSTAB, deep=False)

    def observe(self, context: Context, item: Item) -> Saved:
        return {
            "mounted": _mounted(context, item["paths"]),
            "fstab": trees.observe(context, _FSTAB, deep=False),
        }

    def keep(self, context: Context, item: Item, state: Saved) -> Saved:
        return trees.keep(context, _FSTAB, state["fstab"])

    def contents(self, saved: Saved) -> list[str]:
        return trees.digests(saved["state"]["fstab"])

    def restore(self, context: Context, item: Item, saved: Saved) -> bool:
        state = saved["state"]
        changed = trees.restore(context, _FSTAB, state["fstab"], saved["extra"], deep=False)
        if changed and context.host.has_systemd():
            # systemd makes units from fstab, and would mount what it said before.
            context.host.run(["systemctl", "daemon-reload"], 120.0)
        wrong = []
        for path in item["paths"]:
            try:
                changed |= _restore_one(context, path, state["mounted"][path])
            except OSError as error:
                wrong.append("{0}: {1}".format(path, error.strerror))
        if wrong:
            raise RestoreError("; ".join(wrong))
        return changed


def _mounted(context: Context, paths: list[str]) -> dict[str, list[Mount]]:
    """Per place what is mounted there, the lowest first."""
    found: dict[str, list[Mount]] = {path: [] for path in paths}
    with open(context.host.at("/proc/self/mountinfo")) as source:
        for line in source:
            place, mount = _parsed(line)
            if place in found:
                found[place].append(mount)
    return found


def _parsed(line: str) -> tuple[str, Mount]:
    left, _, right = line.rstrip("\n").partition(" - ")
    words, tail = left.split(), right.split(" ")
    said = tail[2].split(",")
    options = [one for one in said if one not in _SWITCHES]
    mount = {
        # The file system's own, beside that of the mount point in `options`.
        "access": "ro" if "ro" in said else "rw",
        "inside": _plain(words[3]),
        "options": sorted(words[5].split(",")),
        "kind": tail[0],
        "source": _plain(tail[1]),
        "data": ",".join(options),
    }
    return _plain(words[4]), mount


def _plain(word: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found.group(1), 8)), word)


def _restore_one(context: Context, path: str, wanted: list[Mount]) -> bool:
    now = _mounted(context, [path])[path]
    if now == wanted:
        return False
    same = _same(now, wanted)
    for _one in now[same:]:
        mount_calls.unmount(path)
    for mount in wanted[same:]:
        _mount(path, mount)
    if wanted:
        _options(context, path, wanted[-1])
    return True


def _same(now: list[Mount], wanted: list[Mount]) -> int:
    """How many from the bottom are the same file systems, whatever their options."""
    count = 0
    for one, other in zip(now, wanted):  # noqa: B905 - strict is newer than Python 3.9
        if any(one[key] != other[key] for key in ("inside", "kind", "source")):
            break
        count += 1
    return count


def _mount(path: str, mount: Mount) -> None:
    if mount["inside"] != "/":
        raise OSError(95, "a part of a file system (a bind mount) is not mounted again", path)
    os.makedirs(path, exist_ok=True)
    mount_calls.mount(mount["source"], path, mount["kind"], mount["options"], mount["data"])


def _options(context: Context, path: str, wanted: Mount) -> None:
    now = _mounted(context, [path])[path][-1]
    if any(now[key] != wanted[key] for key in ("data", "access")):
        options = [one for one in wanted["options"] if one not in _SWITCHES]
        mount_calls.remount(path, [*options, wanted["access"]], wanted["data"])
        now = _mounted(context, [path])[path][-1]
    if now["options"] != wanted["options"]:
        mount_calls.set_flags(path, wanted["options"])
