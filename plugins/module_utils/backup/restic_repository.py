# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A repository of restic that holds the sets of one target (one host, one policy).

Each set is one snapshot; tags tell what the catalog has to know: ``id=``, ``kind=``, ``parent=``
and ``manifest=`` (the sha256 of the manifest from before the backup).
"""

from __future__ import annotations

import json
import os
import re
from typing import Any, NamedTuple, Sequence

from .clock import seconds_of
from .failures import BackupFailure
from .method import CopyRules
from .pushing import sound
from .report import SetFacts
from .restic_damage import damage
from .restic_locks import free_dead
from .restic_runs import Restic, failure
from .work import Work

# A snapshot never arrives before what it needs; a lock never leaves.
RULES = CopyRules(
    exclude=("locks/**",), last=(("index/**",), ("snapshots/**",)), identity=("config",)
)
_PARTS = ("config", "data", "index", "keys", "snapshots")
_NOT_LOADED = re.compile(r"could not load snapshot|load <snapshot/")


class Snapshot(NamedTuple):
    """One snapshot; ``restic`` is its name there, ``id`` ours ("" for one that is not ours)."""

    restic: str
    id: str
    kind: str
    parent: str
    manifest: str
    taken: float

    def facts(self, level: int = 0, damaged: str = "", size: int = 0) -> SetFacts:
        return SetFacts(
            id=self.id, kind=self.kind, parent=self.parent, taken=self.taken, size=size,
            manifest=self.manifest, level=0 if damaged else level, damaged=damaged,
        )  # fmt: skip


class Put(NamedTuple):
    """A snapshot that was made: its name in restic, bytes added, files, bytes of its source, and
    what could not be read ("" for nothing)."""

    restic: str
    added: int
    files: int
    size: int
    unread: str


class ResticRepository:
    """The repository at ``work.order.place``. All methods raise leaves of BackupFailure."""

    def __init__(self, work: Work, deleting: bool = False) -> None:
        self._work = work
        self._restic = Restic(work, deleting)
        if self._restic.local:
            free_dead(work, self._restic)
        if work.order.place.kind in ("host", "path"):
            _check_keys(self._restic.path)
        version = self._restic.version()
        if version not in work.tool:
            work.tool = ", ".join(filter(None, (work.tool, version)))

    # -- being there ---------------------------------------------------------------------------

    def ensure(self) -> None:
        """It is there, and opens; it is made where nothing at all is. A repository that has lost
        its ``config``, or refuses the password, is never made anew."""
        path = self._work.order.repository
        there = [name for name in _PARTS if os.path.exists(os.path.join(path, name))]
        if not there:
            os.makedirs(path, mode=0o700, exist_ok=True)
            self._restic.must("init")
        elif "config" not in there:
            raise BackupFailure(
                "{0} has {1} but no config: it is not made anew".format(path, ", ".join(there)),
                "{0} 含有 {1} 但缺少 config，不会重新初始化".format(path, "、".join(there)),
            )
        else:
            self._restic.must("--no-lock", "cat", "config")

    # -- putting -------------------------------------------------------------------------------

    def put(self, tags: dict[str, str], words: Sequence[str], cwd: str | None = None) -> Put:
        """One snapshot of what ``words`` name (paths, or restic's own options for them), relative
        to ``cwd``. ``unread`` when a part of the source could not be read (exit 3)."""
        tag = ",".join("{0}={1}".format(name, value) for name, value in sorted(tags.items()))
        host = ["--host", self._work.order.host, "--tag", tag]
        ran = self._restic.call("backup", "--json", *host, *words, cwd=cwd, wordy=True)
        if ran.rc == 1 and "loading snapshot" in ran.err:
            # It looks for what to compare with, and stops at an entry of another set's.
            known = self.snapshots()
            base = ["--parent", known[-1].restic] if known else ["--force"]
            ran = self._restic.call("backup", "--json", *base, *host, *words, cwd=cwd, wordy=True)
        if ran.rc not in (0, 3):
            raise failure(ran, "backup")
        summary = _summary(ran.out)
        if not summary.get("snapshot_id"):
            raise BackupFailure("restic made no snapshot", "restic 没有生成快照")
        return Put(
            summary["snapshot_id"], int(summary["data_added"]),
            int(summary["total_files_processed"]), int(summary["total_bytes_processed"]),
            _unread(ran.err) if ran.rc == 3 else "",
        )  # fmt: skip

    # -- looking -------------------------------------------------------------------------------

    def snapshots(self) -> list[Snapshot]:
        """Our snapshots, oldest first (by the name that we gave, not by restic's clock)."""
        ran = self._restic.must("snapshots", "--json")
        if _NOT_LOADED.search(ran.err):
            self._work.note(
                "a snapshot's own file cannot be read: that set is missing from the list",
                "有快照文件无法读取，该备份集不在列表中",
            )
        found = [_snapshot(one) for one in json.loads(ran.out or "[]") or []]
        return sorted((one for one in found if one.id), key=lambda one: (one.taken, one.id))

    def snapshot(self, name: str) -> Snapshot:
        """The one of this set id. Raises BackupFailure when there is none."""
        for one in self.snapshots():
            if one.id == name:
                return one
        raise BackupFailure(
            "set {0} is not in the repository".format(name), "仓库中没有备份集 {0}".format(name)
        )

    def chain(self, name: str) -> list[Snapshot]:
        """The set and all it builds upon, the full one first."""
        known = {one.id: one for one in self.snapshots()}
        chain: list[Snapshot] = []
        while name and name in known and len(chain) <= len(known):
            chain.insert(0, known[name])
            name = known[name].parent
        if name or not chain or chain[0].kind != "full":
            raise BackupFailure(
                "the chain is broken: {0} is not in the repository".format(name or "its full set"),
                "备份链断裂：仓库中没有 {0}".format(name or "完整备份"),
            )
        return chain

    def sets(self, part: tuple[int, int] | None = None) -> list[SetFacts]:
        """All sets after a check; level 1, or 2 with ``part``, which reads the k-th of n parts of
        the data. What is damaged says so, with everything that builds upon it, and so does a set
        of the order that is not there."""
        known = self.snapshots()
        damaged = damage(self._work, self._restic, part)
        level = 2 if part is not None and not damaged else 1
        wrong = {one.id: damaged.get(one.restic) or damaged.get("*", "") for one in known}
        missing = [name for name in self._work.order.sets if name not in wrong]
        return [
            *[one.facts(level, _chained(one, known, wrong)) for one in known],
            *[SetFacts(id=name, damaged="it is not in the repository") for name in missing],
        ]

    def size(self, names: Sequence[str]) -> int:
        """Bytes that these sets take once restored."""
        total = 0
        for name in names:
            ran = self._restic.must("stats", "--json", "--mode", "restore-size", name)
            total += int(json.loads(ran.out)["total_size"])
        return total

    # -- bringing back, removing ---------------------------------------------------------------

    def restore(self, snapshot: Snapshot, target: str) -> None:
        """All of a snapshot below ``target``, read back and compared. restic of old ends with 0
        over blobs that are missing, but says so."""
        ran = self._restic.call("restore", snapshot.restic, "--target", target, "--verify")
        if ran.rc != 0 or re.search(
            r"^(?:ignoring error|Fatal|There were \d+ errors)", ran.err, re.M
        ):
            raise failure(ran._replace(rc=ran.rc or 1), "restore")

    def settled(self, name: str, put: Put) -> SetFacts:
        """What is known of a set that was just put: level 1, or what is wrong with it. Exit status
        0 says nothing: over a repository that lost a file restic adds 0 bytes and is content."""
        for one in self.sets():
            if one.id == name:
                wrong = "not all of it could be read: " + put.unread if put.unread else one.damaged
                return one._replace(size=put.added, damaged=wrong, level=0 if wrong else one.level)
        raise BackupFailure("the set is not in the repository", "备份集未出现在仓库中")

    def forget(self, names: Sequence[str]) -> list[str]:
        """These sets are gone, and their space is given back; which ones were there. By name only:
        a rule that goes by the host's clock can be lied to."""
        known = {one.id: one.restic for one in self.snapshots()}
        there = [name for name in names if name in known]
        if there:
            self._restic.must("forget", "--prune", *[known[name] for name in there])
            left = {one.id for one in self.snapshots()} & set(there)
            if left:
                raise BackupFailure(
                    "still there: " + ", ".join(sorted(left)),
                    "仍然存在：" + "、".join(sorted(left)),
                )
        return there


def _check_keys(path: str) -> None:
    """restic calls a password wrong whose key is lost. Raises BackupFailure for lost keys."""
    if not os.path.exists(os.path.join(path, "config")):
        return
    folder = os.path.join(path, "keys")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    bad = [name for name in names if not sound(folder, name)]
    if not names or len(bad) == len(names):
        raise BackupFailure(
            "the repository's keys are lost or damaged: nothing in it can be read",
            "仓库的密钥文件丢失或损坏：其中内容均无法读取",
        )


def _chained(one: Snapshot, known: list[Snapshot], wrong: dict[str, str]) -> str:
    """What is wrong with a set or with one that it builds upon; "" for nothing."""
    parents = {each.id: each.parent for each in known}
    name, seen = one.id, set[str]()
    while name and name not in seen:
        seen.add(name)
        if name not in wrong:
            return "{0}, which it builds upon, is not in the repository".format(name)
        if wrong[name]:
            return wrong[name] if name == one.id else "{0}: {1}".format(name, wrong[name])
        name = parents[name]
    return "" if one.kind == "full" or one.parent else "it does not say what it builds upon"


def _snapshot(one: dict[str, Any]) -> Snapshot:
    tags = dict(tag.partition("=")[::2] for tag in one.get("tags") or [])
    return Snapshot(
        restic=one["id"], id=tags.get("id", ""), kind=tags.get("kind", "full"),
        parent=tags.get("parent", ""), manifest=tags.get("manifest", ""),
        taken=seconds_of(one["time"]),
    )  # fmt: skip


def _summary(out: str) -> dict[str, Any]:
    for line in reversed(out.splitlines()):
        if '"summary"' in line:
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict) and found.get("message_type") == "summary":
                return found
    return {}


def _unread(err: str) -> str:
    """The files that could not be read, as far as they were named; at most three."""
    names = re.findall(r'"item":"([^"]+)"', err) or [
        line.strip() for line in err.splitlines() if line.startswith("error:")
    ]
    return ", ".join(names[:3])[:300] or "a part of the source"
