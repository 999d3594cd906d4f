# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files by their paths, as restic takes them (docs/reference/backup-job.md)."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from typing import Any, Iterator

from .clock import set_id
from .failures import BackupFailure, Rejected, Unfit
from .files_manifest import Chosen, chosen_of, manifest_of_files, seen_again, walked
from .folder_method import FolderMethod, Produced, manifest_of, tags_of, write_manifest
from .method import Instance, Restored
from .report import SetFacts
from .restic_repository import ResticRepository, Snapshot
from .work import Work

_LONG = 64 << 20  # bytes; a manifest of 20,000 files has about 4 MiB


class Files(FolderMethod):
    """``source``: ``paths``, ``exclude``, ``one_file_system``, ``proof``, ``settled``. A set is
    always full: restic shares what did not change, but each snapshot stands by itself."""

    name = "files"
    kinds = ("full", "differential", "incremental")

    def fits(self, work: Work) -> None:
        for path in chosen_of(work.order.source).paths:
            if not os.path.lexists(path):
                raise Unfit(
                    "the source {0} is not there".format(path), "备份源 {0} 不存在".format(path)
                )
        work.secret("repository")

    def expected(self, work: Work) -> int:
        """What changed since the newest set; everything when there is none."""
        since = 0.0
        if os.path.exists(os.path.join(work.order.repository, "config")):
            known = ResticRepository(work).snapshots()
            since = known[-1].taken if known else 0.0
        found = (os.lstat(path) for path in walked(chosen_of(work.order.source)))
        return sum(one.st_size for one in found if max(one.st_mtime, one.st_ctime) >= since)

    def take(self, work: Work) -> SetFacts:
        repository = ResticRepository(work)
        repository.ensure()
        known = frozenset(one.id for one in repository.snapshots())
        moment = time.time()
        chosen = chosen_of(work.order.source)
        folder = _manifest_folder(work)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        produced = Produced(manifest_of_files(chosen, moment))
        digest = write_manifest(folder, produced.manifest)
        tags = tags_of(set_id(moment, "full", known), produced, digest)
        put = repository.put(tags, _words(work, chosen, folder))
        return repository.settled(tags["id"], put)

    def restored(self, work: Work, scratch: str) -> Restored:
        repository = ResticRepository(work)
        snapshot = repository.snapshot(work.order.sets[-1])
        folder = os.path.join(scratch, "files")
        os.mkdir(folder, 0o700)
        repository.restore(snapshot, folder)
        return Restored((folder,), _manifest_in(folder, snapshot))

    @contextlib.contextmanager
    def opened(self, work: Work, restored: Restored, scratch: str) -> Iterator[Instance]:
        yield _Tree(restored)

    def put_back(self, work: Work, restored: Restored, scratch: str) -> list[str]:
        """Each path over what is there now, with owners, modes and times; what came later stays.
        A file is replaced, not written into: whoever has it open keeps the old one."""
        done = []
        for path in restored.manifest["paths"]:
            _copied(work, restored.folders[0] + path, path)
            done.append("restored " + path)
        return done

    @contextlib.contextmanager
    def in_place(self, work: Work, restored: Restored) -> Iterator[Instance | None]:
        yield _Tree(restored._replace(folders=("",)))


class _Tree(Instance):
    """Restored files; there is nothing to start."""

    def __init__(self, restored: Restored) -> None:
        self._folder = restored.folders[0]
        self._before = restored.manifest

    def structure(self) -> list[str]:
        return [
            "{0} did not come back".format(path)
            for path in self._before["paths"]
            if not os.path.lexists(self._folder + path)
        ]

    def manifest(self) -> dict[str, Any]:
        return seen_again(self._before, self._folder)

    def heartbeat(self) -> float:
        """What was there when the backup began is in it; nothing newer has to be."""
        return float(self._before["taken"])


def _words(work: Work, chosen: Chosen, folder: str) -> list[str]:
    """Paths go by a file: there may be many, and none of them is an option."""
    names = os.path.join(work.folder, "paths")
    with open(names, "w", encoding="utf-8", errors="surrogateescape") as target:
        target.write("\n".join([*chosen.paths, folder]) + "\n")
    words = ["--files-from-verbatim", names]
    for one in chosen.exclude:
        words += ["--exclude", one]
    if chosen.one_file_system:
        words.append("--one-file-system")
    return words


def _manifest_folder(work: Work) -> str:
    """The same for each set of a target, so that restic sees what did not change."""
    name = "{0}--{1}".format(work.order.host, work.order.policy)
    return os.path.join(os.path.dirname(work.order.repository.rstrip("/")), "manifests", name)


def _manifest_in(folder: str, snapshot: Snapshot) -> dict[str, Any]:
    """The manifest in what came back: its path is that of the host of then, and the data may have
    folders of that name as well. Raises Rejected when none is the one from before."""
    for above, _names, files in os.walk(folder):
        if "manifest.json" in files and _may_be(os.path.join(above, "manifest.json")):
            with contextlib.suppress(Rejected, OSError):
                return manifest_of(above, snapshot)
    return manifest_of(folder, snapshot)


def _may_be(path: str) -> bool:
    """The source's owner may have laid a device, a link or a huge file there."""
    found = os.lstat(path)
    named = os.path.basename(os.path.dirname(os.path.dirname(path))) == "manifests"
    return named and stat.S_ISREG(found.st_mode) and found.st_size <= _LONG


def _check_way(path: str) -> None:
    """A link above that an account laid in a folder of its own would lead root where it likes."""
    above = os.path.dirname(path)
    while above != "/":
        if os.path.islink(above) and os.lstat(above).st_uid != 0:
            raise BackupFailure(
                "{0} is a link of another account: nothing was put back".format(above),
                "{0} 是其他账户的链接：未写回任何内容".format(above),
            )
        above = os.path.dirname(above)


def _copied(work: Work, source: str, path: str) -> None:
    _check_way(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    inside = os.path.isdir(source) and not os.path.islink(source)
    if inside and os.path.lexists(path) and (os.path.islink(path) or not os.path.isdir(path)):
        raise BackupFailure(
            "{0} was a folder and is none now".format(path), "{0} 原为目录，现已不是".format(path)
        )
    if inside:
        os.makedirs(path, exist_ok=True)
        shutil.copystat(source, path)
    words = [source + "/.", path + "/"] if inside else [source, path]
    ran = work.run(["cp", "-a", "--remove-destination", "--", *words])
    if ran.rc != 0:
        raise BackupFailure(
            "{0} was not put back: {1}".format(path, ran.last),
            "{0} 未能写回：{1}".format(path, ran.last),
        )
