# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``package``: its version, its configuration files, and whether it is there at all.

The file of the installed version lies in the pack, so going back needs no repository and no line.
All packages of a pack go back in one transaction of dpkg, as versions may depend on each other.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from typing import Any

from . import trees
from .context import Context
from .debs import old_package
from .disk import opened
from .entries import remove
from .failures import BadItem, CaptureFailed, PackDamaged, RestoreError
from .item import Item, Kind, Saved

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?")
# One line per configuration file: its path, the digest that the package brought, and marks.
_CONFFILE = re.compile(r" ?(/.*) ([0-9a-f]{32}|newconffile)((?: obsolete| remove-on-upgrade)*)")
_FORMAT = (
    "@@${Version}\\n${Architecture}\\n${db:Status-Want}\\n${db:Status-Status}\\n${Conffiles}\\n"
)
_GONE: Saved = {"status": "not-installed"}
_INSTALL = ["dpkg", "--force-downgrade", "--force-confold", "--force-hold", "--install"]
_FINISH = "finish"
# What `dpkg --configure --pending` brings to its end.
_HALF_WAY = ("unpacked", "half-configured", "triggers-awaited", "triggers-pending")
_HALF_AN_HOUR = 1800.0
# An undo that was killed may have left its dpkg at work.
_LOCK_PATIENCE = 900.0


class Package(Kind):
    """``name``: a Debian package, with ``:architecture`` when it is not the machine's own.

    ``interrupted: finish``: one that a killed dpkg left half way counts as installed. An undo
    finishes it at that version, as nobody wants a half configured package back; what its
    configuration files become is left to dpkg.
    """

    name = "package"
    required = ("name",)
    optional = ("interrupted",)

    def check(self, context: Context, item: Item) -> Item:
        found = super().check(context, item)
        if not _NAME.fullmatch(str(item["name"])):
            raise BadItem("package: {0!r} is no name".format(item["name"]))
        if item.get("interrupted", _FINISH) != _FINISH:
            raise BadItem("package: interrupted is {0}, or left out".format(_FINISH))
        return found

    def estimate(self, context: Context, item: Item) -> int:
        done = context.host.run(["dpkg-query", "-W", "-f", "${Installed-Size}\\n", item["name"]])
        words = done.out.split()
        # In KiB; a compressed file is smaller, one that is rebuilt needs the room twice.
        return int(words[0]) * 1024 if done.code == 0 and words and words[0].isdigit() else 0

    def observe(self, context: Context, item: Item) -> Saved:
        if not context.host.has("dpkg-query"):
            raise RestoreError("package {0}: this host has no dpkg".format(item["name"]))
        done = context.host.run(["dpkg-query", "-W", "-f", _FORMAT, item["name"]])
        if done.code != 0:
            return dict(_GONE)
        lines = done.out.split("\n")
        if sum(line.startswith("@@") for line in lines) > 1:
            raise RestoreError(
                "package {0}: say of which architecture (NAME:ARCH)".format(item["name"])
            )
        version, arch, want, status, *files = lines
        if status == "not-installed":
            return dict(_GONE)
        half = "interrupted" in item and status in _HALF_WAY
        state: Saved = {"status": "installed" if half else status}
        state.update(version=version[2:], architecture=arch)
        state["hold"] = want == "hold"
        if state["status"] == "installed":
            state["automatic"] = bool(context.host.run(["apt-mark", "showauto", item["name"]]).out)
        # Which configuration files count is decided when dpkg is finished, not now.
        state["files"] = {} if "interrupted" in item else _configuration(context, files)
        return state

    def keep(self, context: Context, item: Item, state: Saved) -> Saved:
        if state["status"] not in ("installed", "not-installed", "config-files"):
            raise CaptureFailed("package {0} is {1}".format(item["name"], state["status"]))
        files = state.get("files", {})
        extra: Saved = {"files": {p: trees.keep(context, p, one) for p, one in files.items()}}
        if state["status"] == "installed":
            name = item["name"].split(":")[0]
            found = old_package(context, name, state["version"], state["architecture"])
            extra["digest"], extra["source"] = found
        return extra

    def contents(self, saved: Saved) -> list[str]:
        needed = [saved["extra"]["digest"]] if "digest" in saved["extra"] else []
        for state in saved["state"].get("files", {}).values():
            needed += trees.digests(state)
        return needed

    def prepare(self, context: Context, pairs: list[tuple[Item, Saved]]) -> None:
        """One transaction for all. Whatever it does not settle, each item tries by itself."""
        if context.host.run(["dpkg", "--audit"]).out.strip():
            _dpkg(context, ["dpkg", "--force-confold", "--configure", "--pending"])
        back = [(item, saved) for item, saved in pairs if self._other_version(context, item, saved)]
        debs = [_deb(context, saved) for _item, saved in back if "digest" in saved["extra"]]
        if debs:
            _dpkg(context, [*_INSTALL, *debs])
        away = [item["name"] for item, saved in back if "digest" not in saved["extra"]]
        if away:
            _dpkg(context, ["dpkg", "--purge", *away])
        for deb in debs:
            os.unlink(deb)

    def _other_version(self, context: Context, item: Item, saved: Saved) -> bool:
        now, wanted = self.observe(context, item), saved["state"]
        return any(now.get(key) != wanted.get(key) for key in ("status", "version", "architecture"))

    def restore(self, context: Context, item: Item, saved: Saved) -> bool:
        now, wanted = self.observe(context, item), saved["state"]
        if now == wanted:
            return False
        if self._other_version(context, item, saved):
            _change(context, item["name"], wanted["status"], saved)
        if "interrupted" not in item:
            _drop_brought(context, item["name"], wanted)
        for path, state in wanted.get("files", {}).items():
            trees.restore(context, path, state, saved["extra"]["files"][path], deep=False)
        if wanted["status"] == "installed":
            _mark(context, item["name"], wanted)
        return True


def _configuration(context: Context, lines: list[str]) -> dict[str, Any]:
    """The state of each configuration file that dpkg knows of (``path digest [obsolete]``)."""
    found = {}
    for path, _digest, marks in _conffiles(lines):
        # dpkg goes on naming a file that an older version does not know, also when it is gone.
        gone = "obsolete" in marks and not os.path.lexists(context.host.at(path))
        for place in [*([] if gone else [path]), *_laid_beside(context, path)]:
            if not context.exclusions.cover(place):
                found[place] = trees.observe(context, place, deep=False)
    return found


def _laid_beside(context: Context, path: str) -> list[str]:
    """What dpkg puts beside a configuration file that somebody had changed."""
    names = [path + ending for ending in (".dpkg-dist", ".dpkg-old", ".dpkg-new", ".dpkg-tmp")]
    return [name for name in names if os.path.lexists(context.host.at(name))]


def _conffiles(lines: list[str]) -> list[tuple[str, str, str]]:
    matches = [_CONFFILE.fullmatch(line) for line in lines]
    return [(one.group(1), one.group(2), one.group(3)) for one in matches if one]


def _drop_brought(context: Context, name: str, wanted: Saved) -> None:
    """Configuration files that only the newer version has, unless somebody wrote in them, and
    what dpkg laid beside others meanwhile."""
    done = context.host.run(["dpkg-query", "-W", "-f", "${Conffiles}\\n", name])
    for path, brought, _marks in _conffiles(done.out.split("\n")):
        away = _laid_beside(context, path)
        if _is_as_brought(context.host.at(path), brought):
            away.append(path)
        for place in away:
            if place not in wanted.get("files", {}) and not context.exclusions.cover(place):
                remove(context.host.at(place))


def _is_as_brought(real: str, digest: str) -> bool:
    if os.path.islink(real) or not os.path.isfile(real):
        return False
    with opened(real) as source:
        return hashlib.md5(source.read(), usedforsecurity=False).hexdigest() == digest


def _change(context: Context, name: str, status: str, saved: Saved) -> None:
    if status == "installed":
        deb = _deb(context, saved)
        done = _dpkg(context, [*_INSTALL, deb])
        os.unlink(deb)
    else:
        verb = "--remove" if status == "config-files" else "--purge"
        done = _dpkg(context, ["dpkg", verb, name])
    if done:
        raise RestoreError("package {0}: {1}".format(name, done))


def _deb(context: Context, saved: Saved) -> str:
    """The kept file under a name that dpkg takes; its digest is checked on the way."""
    digest = saved["extra"]["digest"]
    path = os.path.join(context.scratch, digest + ".deb")
    if not context.blobs.intact(digest):
        raise PackDamaged("the pack's copy of the package file is damaged")
    if not os.path.exists(path):
        os.link(context.blobs.path(digest), path)
    return path


def _dpkg(context: Context, argv: list[str]) -> str:
    """What dpkg complained of, empty when all went well. Waits for another package program."""
    end = time.monotonic() + _LOCK_PATIENCE
    while True:
        done = context.host.run(argv, _HALF_AN_HOUR)
        locked = done.code != 0 and "lock" in done.err and "another process" in done.err
        if not locked or time.monotonic() > end:
            return "" if done.code == 0 else done.last
        time.sleep(1.0)


def _mark(context: Context, name: str, wanted: Saved) -> None:
    context.host.run(["apt-mark", "auto" if wanted.get("automatic") else "manual", name])
    context.host.run(["apt-mark", "hold" if wanted["hold"] else "unhold", name])
