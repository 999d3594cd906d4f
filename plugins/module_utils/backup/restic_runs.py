# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of restic, and what it says when it does not work.

Debian 12 has 0.14, which ends with 1 whatever happened; 0.17 and newer have codes of their own.
So the text decides, codes only help, and a code that nobody knows is a failure.
"""

from __future__ import annotations

import re

from .failures import BackupFailure, BadCredentials, Busy, Interrupted, NoRoom, Unfit
from .work import Ran, Work

_CODES = {10: "no-repository", 11: "locked", 12: "password"}  # restic 0.17 and newer
_TEXTS = (
    ("password", re.compile(r"wrong password or no key found|ciphertext verification failed.*key")),
    ("locked", re.compile(r"already locked|unable to create lock")),
    ("room", re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)),
    ("refused", re.compile(r"AccessDenied|Access Denied|InvalidAccessKeyId|SignatureDoesNotMatch|"
                           r"\b40[13] (?:Forbidden|Unauthorized)|ssh: unable to authenticate")),
    ("no-repository", re.compile(r"unable to open config file|Is there a repository")),
)  # fmt: skip
# What it prints before it tries again tells nothing of how it ended.
_RETRY = re.compile(r"returned error, retrying after")


class Restic:
    """restic on one repository: where the order's place is, with the order's password; with the
    place's credentials for deletions when ``deleting``."""

    def __init__(self, work: Work, deleting: bool = False) -> None:
        self._work = work
        self.local = work.order.place.kind == "host"
        self.env: dict[str, str] = {}
        self.path = work.order.repository
        options = ["--no-cache"]
        if not self.local:
            from .places import restic_repository

            self.path, self.env, options = restic_repository(work, deleting)
        self._words = ["-q", "--repo", self.path, *options]

    def call(self, *words: str, cwd: str | None = None, into: str = "", wordy: bool = False) -> Ran:
        """One call; how it ended is the caller's to judge."""
        password = ["--password-file", self._work.secret("repository")]
        base = [one for one in self._words if not (wordy and one == "-q")]
        env = {"TMPDIR": self._work.folder, **self.env}
        if "--json" in words:
            env["RESTIC_PROGRESS_FPS"] = "0.1"  # else it tells 15 times a second, for hours
        return self._work.run(["restic", *base, *password, *words], env=env, cwd=cwd, into=into)

    def must(self, *words: str, into: str = "") -> Ran:
        """One call that has to succeed. Raises what it says otherwise."""
        ran = self.call(*words, into=into)
        if ran.rc != 0:
            raise failure(ran, words[0])
        return ran

    def version(self) -> str:
        """``restic 0.14.0``. Raises Unfit where there is none."""
        ran = self._work.run(["restic", "version"], seconds=30.0)
        found = re.match(r"restic \S+", ran.out)
        if found is None:
            raise Unfit("restic does not run: " + ran.last, "restic 无法运行：" + ran.last)
        return found.group(0)


def failure(ran: Ran, word: str) -> BackupFailure:
    """The failure that a call's text, and only then its code, speaks of."""
    lines = [line for line in ran.err.splitlines() if not _RETRY.search(line)]
    text = "\n".join(lines)
    what = next((name for name, found in _TEXTS if found.search(text)), _CODES.get(ran.rc, ""))
    broken = any(line.startswith("\t") for line in lines)  # then a list of calls follows its word
    said = lines if broken else reversed(lines)
    last = next((line.strip() for line in said if line.strip()), ran.last)[:300]
    if what == "no-repository":
        return BackupFailure("there is no repository of restic", "此处没有 restic 仓库")
    if what in _WORDS:
        kind, en, zh = _WORDS[what]
        return kind(en, zh)
    if ran.rc < 0:
        en = "restic {0} was ended by signal {1}"
        return Interrupted(
            en.format(word, -ran.rc), "restic {0} 被信号 {1} 终止".format(word, -ran.rc)
        )
    return BackupFailure(
        "restic {0} failed ({1}): {2}".format(word, ran.rc, last),
        "restic {0} 失败（{1}）：{2}".format(word, ran.rc, last),
    )


_WORDS: dict[str, tuple[type[BackupFailure], str, str]] = {
    "password": (BadCredentials, "the repository refused the password", "仓库拒绝了密码"),
    "refused": (BadCredentials, "the place refused the credentials", "副本位置拒绝了凭据"),
    "locked": (Busy, "somebody else works on the repository", "仓库正被其他任务使用"),
    "room": (NoRoom, "the disk became full", "磁盘已满"),
}
