# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``unit``: a systemd unit: enabled, masked, its local files, and whether it runs.

Enabled and masked are links below /etc/systemd/system; they are kept as links, not as the words
that `systemctl` has for them. A failed unit counts as one that does not run.
"""

from __future__ import annotations

import os

from . import trees
from .context import Context
from .failures import BadItem, CaptureFailed, RestoreError
from .item import Item, Kind, Saved

_FOLDERS = ("/etc/systemd/system", "/run/systemd/system")
# Where `systemctl set-property` writes.
_CONTROL = ("/etc/systemd/system.control", "/run/systemd/system.control")
_RUNNING = ("active", "activating", "reloading", "refreshing", "deactivating")
# The strongest first.
_AFTER = ("restart", "reload", "leave")
_STARTING = 120.0


class Unit(Kind):
    """``name`` with its suffix (``.service`` without one).

    ``after_restore``: what a unit that ran at capture gets when the undo had to put anything of
    the pack back: ``restart`` (default), ``reload``, or ``leave``.
    """

    name = "unit"
    required = ("name",)
    optional = ("after_restore",)

    def check(self, context: Context, item: Item) -> Item:
        found = super().check(context, item)
        if "/" in item["name"] or item["name"].startswith("-"):
            raise BadItem("unit: {0!r} is no name".format(item["name"]))
        if "." not in item["name"]:
            found["name"] += ".service"
        if found.setdefault("after_restore", "restart") not in _AFTER:
            raise BadItem("unit: after_restore is one of {0}".format(", ".join(_AFTER)))
        return found

    def stronger(self, one: Item, other: Item) -> Item:
        return min(one, other, key=lambda item: _AFTER.index(item["after_restore"]))

    def observe(self, context: Context, item: Item) -> Saved:
        name = item["name"]
        links = {path: os.readlink(context.host.at(path)) for path in _links(context, name)}
        return {
            "links": links,
            "files": {path: trees.observe(context, path) for path in _own(context, name)},
            "running": _running(context, name),
            "enabled": context.host.run(["systemctl", "is-enabled", name]).out.strip(),
        }

    def keep(self, context: Context, item: Item, state: Saved) -> Saved:
        if not context.host.has_systemd():
            raise CaptureFailed("unit {0}: systemd does not run this host".format(item["name"]))
        return {"files": {p: trees.keep(context, p, one) for p, one in state["files"].items()}}

    def contents(self, saved: Saved) -> list[str]:
        return [one for state in saved["state"]["files"].values() for one in trees.digests(state)]

    def prepare(self, context: Context, pairs: list[tuple[Item, Saved]]) -> None:
        """Links and files of all units, then one reload, before any of them is started."""
        touched = False
        for item, saved in pairs:
            touched |= _settle(context, item["name"], saved)
        if touched or context.changed:
            context.changed = True
            context.host.run(["systemctl", "daemon-reload"], _STARTING)

    def restore(self, context: Context, item: Item, saved: Saved) -> bool:
        name, wanted = str(item["name"]), bool(saved["state"]["running"])
        if _word(context, name) == "deactivating":
            # An undo that was killed may have begun that; wait for its end.
            context.host.run(["systemctl", "stop", name], _STARTING)
        running = _running(context, name)
        changed = context.changed and not context.restarted
        words = _words(running, wanted, changed, item["after_restore"])
        if not words:
            return False
        if words[0] in ("start", "restart"):
            # It may have failed so often that systemd has given it up.
            context.host.run(["systemctl", "reset-failed", name])
        done = context.host.run(["systemctl", *words, name], _STARTING)
        if done.code != 0:
            raise RestoreError("unit {0}: {1}".format(name, done.last))
        return running != wanted


def _words(running: bool, wanted: bool, changed: bool, after: str) -> list[str]:
    if running != wanted:
        return ["start"] if wanted else ["stop"]
    if wanted and changed and after != "leave":
        return ["restart"] if after == "restart" else ["reload-or-restart"]
    return []


def _running(context: Context, name: str) -> bool:
    return _word(context, name) in _RUNNING


def _word(context: Context, name: str) -> str:
    return context.host.run(["systemctl", "is-active", name]).out.strip()


def _own(context: Context, name: str) -> list[str]:
    """The unit's own file and its drop-ins, as far as they are the administrator's."""
    places = ["{0}/{1}.d".format(folder, name) for folder in _CONTROL]
    for folder in _FOLDERS:
        fragment = folder + "/" + name
        if not os.path.islink(context.host.at(fragment)):
            places.append(fragment)
        places.append(fragment + ".d")
    return places


def _links(context: Context, name: str) -> list[str]:
    """Links that carry the unit's name or lead to a file of that name."""
    found = []
    for folder in _FOLDERS:
        below = [folder]
        real = context.host.at(folder)
        if os.path.isdir(real):
            below += [folder + "/" + one for one in sorted(os.listdir(real))]
        for place in below:
            found += _links_in(context, place, name)
    return sorted(found)


def _links_in(context: Context, folder: str, name: str) -> list[str]:
    real = context.host.at(folder)
    if not os.path.isdir(real) or os.path.islink(real):
        return []
    links = [one for one in os.listdir(real) if os.path.islink(os.path.join(real, one))]
    return [
        folder + "/" + one
        for one in links
        if name in (one, os.path.basename(os.readlink(os.path.join(real, one))))
    ]


def _settle(context: Context, name: str, saved: Saved) -> bool:
    """Make links and files as they were; whether anything had to be done."""
    wanted = saved["state"]["links"]
    changed = False
    for path in _links(context, name):
        if path not in wanted:
            os.unlink(context.host.at(path))
            changed = True
    for path, state in saved["state"]["files"].items():
        changed |= trees.restore(context, path, state, saved["extra"]["files"][path])
    for path, target in wanted.items():
        changed |= _link(context.host.at(path), target)
    return changed


def _link(real: str, target: str) -> bool:
    if os.path.islink(real) and os.readlink(real) == target:
        return False
    os.makedirs(os.path.dirname(real), exist_ok=True)
    new = real + ".storewarden"
    if os.path.lexists(new):
        os.unlink(new)
    os.symlink(target, new)
    os.replace(new, real)
    return True
