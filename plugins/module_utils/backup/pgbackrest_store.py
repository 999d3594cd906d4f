# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A repository of pgBackRest, on this host or fetched from a copy, and what lies in it by name and
size.

The pass phrase goes into a file of mode 0600 that only the cluster's account can read and that
ends with the job. Manifests lie beside the backups as ``manifests/<set>.json`` and are copied with
them: they say which folders and WAL segments a set needs, so that a copy far away is judged by a
listing alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from typing import Any, Iterator, NamedTuple

from .failures import Unfit
from .order import Order
from .pgbackrest_facts import Backup, inventory, missing, refused, segment_of
from .places import CopyRules, pull, remote
from .postgresql_source import Cluster, given, own_folder, private
from .rclone_runs import failure
from .rclone_runs import run as rclone
from .report import SetFacts
from .work import Ran, Work

MANIFESTS = "manifests"
RULES = CopyRules(
    exclude=("lock/*", "*.pgbackrest.tmp", "latest"),
    last=(("*.info", "*.info.copy"), (MANIFESTS + "/*.json",)),
    changing=("*.info", "*.info.copy"),
)
_FOREVER = "9999999"  # what is kept is decided by people and the catalog, not by pgBackRest


class Kept(NamedTuple):
    """The manifest file of a set: what pgBackRest said of it, and the data's manifest from
    before."""

    backup: Backup
    manifest: dict[str, Any]
    segment: int
    sha256: str


class Shelf(NamedTuple):
    """What lies at a place: backups, oldest first, files with their bytes, manifests."""

    backups: list[Backup]
    tree: dict[str, int]
    kept: dict[str, Kept]


class Store:
    """A repository that lies on this host. ``folder`` is the repository, or a copy that was
    fetched."""

    def __init__(self, work: Work, cluster: Cluster, folder: str) -> None:
        self.work = work
        self.cluster = cluster
        self.folder = folder
        self.stanza = stanza_of(work.order)
        self._conf = self._configured()

    def run(self, *words: str) -> Ran:
        """One command of pgBackRest, as the cluster's account."""
        argv = ["pgbackrest", "--config=" + self._conf, "--stanza=" + self.stanza, *words]
        env = {"PGPASSFILE": ""}
        if "password" in self.work.order.secrets:
            env = {"PGPASSFILE": os.path.join(self.work.folder, "pass", "pgpass")}
        ran = self.work.run(argv, env=env, cwd="/", user=self.cluster.owner)
        if not self.work.tool:
            self.work.tool = "pgBackRest"
        return ran

    def info(self) -> str:
        """The inventory as JSON. Raises leaves of BackupFailure."""
        ran = self.run("info", "--output=json", "--log-level-console=off")
        if ran.rc != 0:
            raise refused(ran, "info")
        return ran.out

    def backups(self) -> list[Backup]:
        """What is there, oldest first, sets of WAL included. Raises BadCredentials, Rejected."""
        found = inventory(self.info(), self.stanza)
        logs = [each.backup for each in self.kept().values() if each.backup.kind == "log"]
        return sorted([*found, *logs], key=lambda each: (each.taken, each.label))

    def shelf(self) -> Shelf:
        return Shelf(self.backups(), self.tree(), self.kept())

    def kept(self) -> dict[str, Kept]:
        return _kept(os.path.join(self.folder, MANIFESTS))

    def keep(self, backup: Backup, manifest: dict[str, Any], segment: int) -> str:
        """Write the manifest file of a set, in one step; its sha256."""
        folder = os.path.join(self.folder, MANIFESTS)
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o750)
            given(folder, self.cluster.owner)
        text = json.dumps(
            {"format": 1, "backup": backup._asdict(), "segment": segment, "manifest": manifest},
            indent=1, sort_keys=True,
        )  # fmt: skip
        fresh = os.path.join(folder, ".new.pgbackrest.tmp")
        private(fresh, text, self.cluster.owner)
        os.replace(fresh, os.path.join(folder, backup.label + ".json"))
        return hashlib.sha256(text.encode()).hexdigest()

    def tree(self) -> dict[str, int]:
        """Path below the repository -> bytes, of plain files."""
        return dict(files(self.folder))

    def _configured(self) -> str:
        folder = own_folder(self.work, "pgbackrest", self.cluster.owner)
        path = os.path.join(folder, "pgbackrest.conf")
        if self.folder != self.work.order.repository:
            path = os.path.join(folder, "copy.conf")
        lock = os.path.join(self.folder, "lock")
        text = configuration(self.folder, self.stanza, self.cluster, pass_phrase(self.work), lock)
        private(path, text, self.cluster.owner)
        return path


def files(folder: str, above: str = "") -> Iterator[tuple[str, int]]:
    """Path below ``folder``, and bytes, of plain files. WAL goes on arriving meanwhile: what was
    renamed between two looks is no file any more."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from files(entry.path, above + entry.name + "/")
            elif not entry.is_symlink():
                with contextlib.suppress(FileNotFoundError):
                    yield above + entry.name, entry.stat(follow_symlinks=False).st_size


def configuration(folder: str, stanza: str, cluster: Cluster, phrase: str, lock: str) -> str:
    """pgBackRest's settings, for the job and in the same words for archive_command (role
    backup_postgresql). No bundles: 2.45 cannot resume them. ``lock`` is where two of them meet."""
    server = {
        "pg1-path": cluster.data,
        "pg1-port": str(cluster.port),
        "pg1-socket-path": cluster.socket,
        "pg1-user": cluster.user,
    }
    return "\n".join(
        (
            "[global]",
            "repo1-path=" + folder,
            "repo1-cipher-type=aes-256-cbc",
            "repo1-cipher-pass=" + phrase,
            "repo1-retention-full=" + _FOREVER,
            "compress-type=zst",
            "start-fast=y",
            "resume=y",
            "expire-auto=n",
            # A server that just wrote much has WAL to catch up with: the default of 60 s failed.
            "archive-timeout=600",
            "process-max=2",
            "log-level-file=off",
            "log-level-console=info",
            "log-timestamp=n",
            "lock-path=" + lock,
            "[{0}]".format(stanza),
            *("{0}={1}".format(name, value) for name, value in server.items() if value),
            "",
        )
    )


def stanza_of(order: Order) -> str:
    """The name of the cluster in the repository: the source's word, else the policy's."""
    return str(order.source.get("stanza") or order.policy)


def pass_phrase(work: Work) -> str:
    """The secret ``repository``, one line. Raises Unfit."""
    with open(work.secret("repository"), encoding="utf-8") as file:
        text = file.read().strip()
    if not text or any(sign in text for sign in "\n\r\0"):
        raise Unfit("the secret repository is not one line", "密钥 repository 不是一行文字")
    return text


def fetched(work: Work, cluster: Cluster) -> Store:
    """The repository where pgBackRest can read it: itself, or a copy fetched from its place."""
    if work.order.place.kind == "host":
        return Store(work, cluster, work.order.repository)
    folder = os.path.join(own_folder(work, "copy", cluster.owner), "repository")
    if not os.path.isdir(folder):
        os.mkdir(folder, 0o700)
        with work.phase("fetch"):
            pull(work, folder, RULES)
        work.run(["chown", "-R", cluster.owner + ":", folder])
    return Store(work, cluster, folder)


def far(work: Work) -> Shelf:
    """What lies at a place, without fetching more than the manifests."""
    there = remote(work)
    ran = rclone(
        work, there, "lsf", there.path, "-R", "--files-only", "--format=sp", "--separator=\t"
    )
    if ran.rc:
        raise failure(work, ran, "the copy cannot be listed", "无法列出副本")
    words = (line.partition("\t") for line in ran.out.splitlines())
    tree = {path: int(size) for size, _, path in words if path}
    folder = os.path.join(work.folder, "far")
    os.makedirs(folder, exist_ok=True)
    if any(path.startswith(MANIFESTS + "/") for path in tree):
        ran = rclone(work, there, "copy", there.path + "/" + MANIFESTS, folder)
        if ran.rc:
            raise failure(work, ran, "the copy's manifests cannot be read", "无法读取副本的清单")
    kept = _kept(folder)
    backups = sorted(
        (each.backup for each in kept.values()), key=lambda one: (one.taken, one.label)
    )
    return Shelf(backups, tree, kept)


def judged(stanza: str, shelf: Shelf, level: int) -> list[SetFacts]:
    """Each set, with what is not there of all that it needs: folders, bytes, WAL segments."""
    backups, tree, kept = shelf
    sums = _sums(stanza, tree)
    segments = segments_of(stanza, tree)
    stored = {each.label: each.stored for each in backups}
    found = []
    for each in backups:
        wrong = _lacks(each, stored, sums) or _holes(each, kept, segments)
        if not any(path.startswith("backup/{0}/backup.info".format(stanza)) for path in tree):
            wrong = wrong or "backup.info is not there"
        mine = kept.get(each.label)
        found.append(
            SetFacts(
                id=each.label,
                kind=each.kind,
                parent=each.parent,
                taken=each.taken,
                size=each.stored,
                manifest=mine.sha256 if mine else "",
                level=0 if wrong else level,
                damaged=wrong,
            )
        )
    return found


def segments_of(stanza: str, tree: dict[str, int]) -> set[str]:
    """The WAL segments of the archive."""
    root = "archive/{0}/".format(stanza)
    names = (os.path.basename(path) for path in tree if path.startswith(root))
    return {found for found in map(segment_of, names) if found}


def _lacks(each: Backup, stored: dict[str, int], sums: dict[str, int]) -> str:
    own = () if each.kind == "log" else (each.label,)
    for label in (*each.needs, *own):
        if label not in sums or label not in stored:
            return "{0} is not there".format(label)
        if sums[label] != stored[label]:
            return "{0} holds {1} bytes instead of {2}".format(label, sums[label], stored[label])
    return "pgBackRest says that pages of it are wrong" if each.wrong else ""


def _holes(each: Backup, kept: dict[str, Kept], segments: set[str]) -> str:
    size = kept[each.label].segment if each.label in kept else 1 << 24
    gone = missing(segments, each.first, each.last, size)
    return "WAL segment {0} is not there".format(gone[0]) if gone else ""


def _sums(stanza: str, tree: dict[str, int]) -> dict[str, int]:
    """Label -> bytes of its folder, without pgBackRest's own lists; only folders that have
    theirs."""
    root, found, whole = "backup/{0}/".format(stanza), dict[str, int](), set()
    for path, size in tree.items():
        if not path.startswith(root) or path.count("/") < 3:
            continue
        label, _, rest = path[len(root) :].partition("/")
        if rest == "backup.manifest":
            whole.add(label)
        if not rest.startswith("backup.manifest"):
            found[label] = found.get(label, 0) + size
    return {label: found.get(label, 0) for label in whole}


def _kept(folder: str) -> dict[str, Kept]:
    found = {}
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for name in (each for each in names if each.endswith(".json")):
        with open(os.path.join(folder, name), "rb") as file:
            text = file.read()
        try:
            given_ = json.loads(text)
            backup = Backup(**{**given_["backup"], "needs": tuple(given_["backup"]["needs"])})
            found[name[: -len(".json")]] = Kept(
                backup, given_["manifest"], int(given_["segment"]), hashlib.sha256(text).hexdigest()
            )
        except (ValueError, KeyError, TypeError):
            continue  # a manifest that is cut off: its set counts as one without
    return found
