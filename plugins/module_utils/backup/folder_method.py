# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Methods that leave a folder: it goes into the repository of restic as one snapshot, together
with the manifest of the data, and comes back as it was."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from typing import Any, NamedTuple

from .clock import set_id
from .failures import BackupFailure, Rejected, Unfit
from .method import CopyRules, Method, Restored
from .report import SetFacts
from .restic_repository import RULES, ResticRepository, Snapshot
from .work import Work

MANIFEST = "manifest.json"


class Produced(NamedTuple):
    """``manifest`` of the data, written before the backup; ``kind`` that the set really is (a full
    one where an increment was not possible), and the set id that it builds upon."""

    manifest: dict[str, Any]
    kind: str = "full"
    parent: str = ""


class FolderMethod(Method):
    """Subclasses have ``produce`` (and ``opened``, ``put_back``, ``fits``, maybe ``examined``)."""

    def produce(self, work: Work, folder: str) -> Produced:
        """The set's files into the empty ``folder``; ``manifest.json`` is added by the caller."""
        raise NotImplementedError

    def take(self, work: Work) -> SetFacts:
        repository = ResticRepository(work)
        repository.ensure()
        known = frozenset(one.id for one in repository.snapshots())
        folder = os.path.join(work.folder, "set")
        os.mkdir(folder, 0o700)
        moment = time.time()
        produced = self.produce(work, folder)
        _check_parent(produced, known)
        digest = write_manifest(folder, produced.manifest)
        tags = tags_of(set_id(moment, produced.kind, known), produced, digest)
        put = repository.put(tags, ["."], cwd=folder)
        files = sum(len(names) for _, _, names in os.walk(folder))
        shutil.rmtree(folder)
        if put.files < files:
            raise Rejected(
                "restic took {0} of {1} files".format(put.files, files),
                "restic 只保存了 {1} 个文件中的 {0} 个".format(put.files, files),
            )
        return repository.settled(tags["id"], put)

    def needed(self, work: Work) -> int:
        repository = ResticRepository(work)
        chain = repository.chain(work.order.sets[-1])
        return repository.size([one.restic for one in chain])

    def copy_rules(self) -> CopyRules:
        return RULES

    def listed(self, work: Work) -> list[SetFacts]:
        return ResticRepository(work).sets()

    def read(self, work: Work) -> list[SetFacts]:
        return ResticRepository(work).sets(work.order.part)

    def restored(self, work: Work, scratch: str) -> Restored:
        repository = ResticRepository(work)
        folders = []
        chain = repository.chain(work.order.sets[-1])
        for number, one in enumerate(chain):
            folder = os.path.join(scratch, "{0:02d}-{1}".format(number, one.kind))
            os.mkdir(folder, 0o700)
            repository.restore(one, folder)
            folders.append(folder)
        return Restored(tuple(folders), manifest_of(folders[-1], chain[-1]))

    def removed(self, work: Work) -> list[str]:
        repository = ResticRepository(work, deleting=True)
        gone = set(work.order.sets)
        left = [
            "{0} (by {1})".format(one.parent, one.id)
            for one in repository.snapshots()
            if one.parent in gone and one.id not in gone
        ]
        if left:
            raise BackupFailure(
                "still needed: " + ", ".join(left), "仍被其他备份集依赖：" + "、".join(left)
            )
        return repository.forget(work.order.sets)


def tags_of(name: str, produced: Produced, digest: str) -> dict[str, str]:
    """The tags of a snapshot; empty ones are left out."""
    tags = {"id": name, "kind": produced.kind, "parent": produced.parent, "manifest": digest}
    return {key: value for key, value in tags.items() if value}


def canonical(manifest: dict[str, Any]) -> bytes:
    """One spelling for equal manifests."""
    return json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode("ascii")


def write_manifest(folder: str, manifest: dict[str, Any]) -> str:
    """The manifest beside the data; its sha256."""
    text = canonical(manifest)
    with open(os.path.join(folder, MANIFEST), "wb") as target:
        target.write(text)
    return hashlib.sha256(text).hexdigest()


def manifest_of(folder: str, snapshot: Snapshot) -> dict[str, Any]:
    """The manifest that came back. Raises Rejected when it is not the one from before."""
    try:
        with open(os.path.join(folder, MANIFEST), "rb") as source:
            text = source.read()
    except FileNotFoundError:
        text = b""
    if hashlib.sha256(text).hexdigest() != snapshot.manifest:
        raise Rejected(
            "the manifest of {0} is not the one from before the backup".format(snapshot.id),
            "{0} 的清单与备份前写下的不一致".format(snapshot.id),
        )
    found: dict[str, Any] = json.loads(text)
    return found


def _check_parent(produced: Produced, known: frozenset[str]) -> None:
    if produced.kind != "full" and produced.parent not in known:
        raise Unfit(
            "a set of kind {0} builds upon {1!r}, which is not in the repository".format(
                produced.kind, produced.parent
            ),
            "{0} 备份依赖的 {1!r} 不在仓库中".format(produced.kind, produced.parent),
        )
