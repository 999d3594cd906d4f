# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copies a repository to a place, what refers to other files last, and never over anything that
differs."""

from __future__ import annotations

import hashlib
import json
import os
import re
from fnmatch import fnmatchcase
from typing import Iterable, Iterator, NamedTuple

from .failures import BackupFailure, BadCredentials
from .method import CopyRules
from .rclone_runs import arrived, compared, failure, run
from .rclone_settings import Remote, remote, unfit
from .work import Ran, Work

_SUM = re.compile(r"[0-9a-f]{64}\Z")  # restic names most files by their sha256
_NAMED = 5  # files that a reason names
_BLOCK = 1 << 20


class Pushed(NamedTuple):
    """What was not there before and is now, compared with its source; ``bytes`` are those of the
    files."""

    bytes: int
    files: int


def push(work: Work, repository: str, rules: CopyRules) -> Pushed:
    """The files of ``repository`` that the place does not have. What the place has otherwise is
    not touched.

    Raises BackupFailure when files are missing afterwards or differ (it names them),
    BadCredentials, NoRoom, Unfit; Interrupted when the job's time is over. What has arrived stays
    and is not sent again.
    """
    if work.order.place.kind == "host":
        raise unfit(work, "the repository itself is no copy", "仓库本身不是副本")
    there = remote(work)
    files = {name: size for name, size in _files(repository) if not fits(name, rules.exclude)}
    if not files:
        raise unfit(work, "there is nothing to copy", "没有可复制的内容")
    _made(work, there)
    before = compared(work, repository, there.path, there, ["--size-only", *_filters(rules)])
    _check_same(work, repository, there, rules, seen=before)
    plan = _Plan(work, repository, rules, files, before)
    with plan.unfinished:
        _carried(work, repository, there, plan)
        return _proved(work, repository, there, plan)


def _check_same(
    work: Work, repository: str, there: Remote, rules: CopyRules, seen: dict[str, str]
) -> None:
    """A repository that was made anew has its old copies under the same name: with the new one's
    files among them they could not be opened any more."""
    here = {name for name, state in seen.items() if state in ("=", "*")}
    other = [name for name in rules.identity if name in here]
    other = [name for name in other if not _alike(work, repository, there, name)]
    changing = {name for name in here if fits(name, rules.changing)}
    if other or (changing and here == changing):
        name, files = work.order.place.name, _names(other or changing)
        en = "{0}: the copies there are of another repository, or damaged ({1} differs): nothing "
        en += "was sent; move them away, or name another folder"
        zh = "{0}：该处副本属于另一个仓库或已损坏（{1} 不同）：未发送任何内容；"
        zh += "请移走旧副本或另设目录"
        raise BackupFailure(en.format(name, files), zh.format(name, files))


def _alike(work: Work, repository: str, there: Remote, name: str) -> bool:
    """Byte by byte: sizes are alike anyway, and a server may have no sums."""
    file = os.path.join(work.folder, "identity")
    ran = run(work, there, "cat", there.path.rstrip("/") + "/" + name, into=file)
    if ran.rc:
        raise failure(work, ran, "the copy cannot be read", "无法读取副本")
    with open(file, "rb") as came, open(os.path.join(repository, name), "rb") as own:
        return came.read() == own.read()


class _Unfinished:
    """The names that are on their way, kept beside the repository until they have arrived: a file
    that is cut off at the place is ours to send again when we were the ones, and damage when we
    were not."""

    def __init__(self, work: Work) -> None:
        name = ".copying-{0}-{1}".format(
            os.path.basename(work.order.repository), work.order.place.name
        )
        self._file = os.path.join(os.path.dirname(work.order.repository), name)
        self.names: set[str] = set()
        try:
            with open(self._file, encoding="utf-8") as file:
                self.names = set(json.load(file))
        except (FileNotFoundError, ValueError):
            pass

    def begins(self, names: Iterable[str]) -> None:
        self.names |= set(names)
        fresh = self._file + ".new"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(sorted(self.names), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, self._file)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None and os.path.exists(self._file):
            os.unlink(self._file)


class _Plan:
    """What is sent in which order, and what is not sent because it is damaged here or there."""

    def __init__(
        self,
        work: Work,
        repository: str,
        rules: CopyRules,
        files: dict[str, int],
        seen: dict[str, str],
    ) -> None:
        self.files, self.rules = files, rules
        self.unfinished = _Unfinished(work)
        differ = {name for name in files if seen.get(name) == "*"}
        self.again = differ & self.unfinished.names
        self.changing = {name for name in files if fits(name, rules.changing)}
        wanted = {name for name in files if seen.get(name, "+") == "+"}
        wanted |= self.again | self.changing
        self.spoilt = {name for name in wanted if not sound(repository, name)}
        self.differ = differ - self.again - self.changing
        self.wanted = wanted - self.spoilt

    def phases(self) -> Iterator[tuple[list[str], bool]]:
        """Names, and whether they may be written over what is there."""
        groups: list[set[str]] = [set() for _ in range(len(self.rules.last) + 1)]
        for name in self.wanted:
            place = [n for n, each in enumerate(self.rules.last, 1) if fits(name, each)]
            groups[place[0] if place else 0].add(name)
        for group in groups:
            over = group & (self.again | self.changing)
            yield sorted(group - over), False
            yield sorted(over), True


def _carried(work: Work, repository: str, there: Remote, plan: _Plan) -> None:
    plan.unfinished.begins(plan.wanted)
    for names, over in plan.phases():
        if not names:
            continue
        listed = _listed(work, names)
        words = ["--files-from-raw", listed, "--retries=3", "--retries-sleep=5s"]
        words += ["--low-level-retries=5", "--stats=5s"]
        words += ["--stats-log-level=NOTICE", "--ignore-times" if over else "--immutable"]
        ran = run(work, there, "copy", repository, there.path, *words)
        if ran.rc:
            raise _short(work, ran, plan)


def _short(work: Work, ran: Ran, plan: _Plan) -> BackupFailure:
    """Everything that was to go is named as missing: who has arrived is looked up the next time."""
    count = len(plan.wanted)
    en = "the copy stopped after {0} bytes; of {1} files some are missing ({2})"
    zh = "复制在 {0} 字节后停止；{1} 个文件中有缺失（{2}）"
    names = _names(plan.wanted)
    return failure(
        work, ran, en.format(arrived(ran), count, names), zh.format(arrived(ran), count, names)
    )


def _proved(work: Work, repository: str, there: Remote, plan: _Plan) -> Pushed:
    now = compared(work, repository, there.path, there, _filters(plan.rules))
    missing = {name for name in plan.files if now.get(name, "+") == "+"} - plan.spoilt
    differ = {name for name in plan.files if now.get(name) == "*"} | plan.differ
    here = {name for name in differ if not sound(repository, name)} | plan.spoilt
    told = (
        (missing, "files are missing", "文件缺失"),
        (
            here,
            "files of the repository itself are damaged, a full set elsewhere is needed",
            "仓库自身的文件损坏，需在别处做全量备份",
        ),
        (
            differ - here,
            "files are damaged: they differ from the repository's and were not written over",
            "文件损坏：与仓库不同，未被覆盖",
        ),
    )
    en = ["{0} {1} ({2})".format(len(names), en, _names(names)) for names, en, _ in told if names]
    zh = [
        "{0} 个{1}（{2}）".format(len(names), zh, _names(names)) for names, _, zh in told if names
    ]
    if en:
        name = work.order.place.name
        raise BackupFailure(name + ": " + "; ".join(en), name + "：" + "；".join(zh))
    return Pushed(sum(plan.files[name] for name in plan.wanted), len(plan.wanted))


def _made(work: Work, there: Remote) -> None:
    """The first contact. A key that is refused is shown once: servers shut out who insists."""
    ran = run(work, there, "mkdir", there.path, "--retries=1", "--low-level-retries=1")
    if not ran.rc:
        return
    refused = failure(work, ran, "the place does not answer as it should", "副本位置无法使用")
    if isinstance(refused, BadCredentials):
        raise refused
    ran = run(work, there, "mkdir", there.path)
    if ran.rc:
        raise failure(work, ran, "the place does not answer as it should", "副本位置无法使用")


def sound(repository: str, name: str) -> bool:
    """Whether a file that is named by its sum has that sum; others are taken as they are."""
    if not _SUM.match(os.path.basename(name)):
        return True
    found = hashlib.sha256()
    with open(os.path.join(repository, name), "rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            found.update(block)
    return found.hexdigest() == os.path.basename(name)


def fits(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns fits a path below the repository."""
    own = name.rsplit("/", 1)[-1]
    return any(fnmatchcase(name if "/" in each else own, each) for each in patterns)


def _filters(rules: CopyRules) -> list[str]:
    return ["--exclude=" + ("/" + each if "/" in each else each) for each in rules.exclude]


def _files(folder: str) -> Iterator[tuple[str, int]]:
    """Plain files; links are another name of something that is copied anyway."""
    for place, _, names in os.walk(folder):
        for name in names:
            whole = os.path.join(place, name)
            if not os.path.islink(whole) and os.path.isfile(whole):
                yield os.path.relpath(whole, folder), os.path.getsize(whole)


def _listed(work: Work, names: Iterable[str]) -> str:
    file = os.path.join(work.folder, "names")
    with open(file, "w", encoding="utf-8", errors="surrogateescape") as lines:
        lines.writelines(name + "\n" for name in names)
    return file


def _names(names: Iterable[str]) -> str:
    found = sorted(names)
    more = " ..." if len(found) > _NAMED else ""
    return ", ".join(found[:_NAMED]) + more
