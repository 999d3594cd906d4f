# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# ruff: noqa: ARG002 - both package managers are asked in the same words
"""Red Hat and its kin: dnf resolves and fetches, rpm knows what is there.

The same contract as apt. What is different: dnf has no unfinished state that could be finished
later, its locks are files with a process number, and a restore point cannot put rpm packages back.
"""

from __future__ import annotations

import os
import re
from typing import Sequence

from ansible_collections.storewarden.ops.plugins.module_utils.restore.disk import file_digest
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Done, Host

from . import dnf_table, rpm_version
from .backend import Ask, Backend, Installed, Offer
from .failures import PackageError
from .transaction import Move, Simulation, Staged

_STAGE = "/var/cache/storewarden/packages"
_QUERY = "%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}-%{RELEASE}\\t%{ARCH}\\n"
_OFFER = "%{name}\\t%{epoch}\\t%{version}-%{release}\\t%{arch}\\t%{downloadsize}\\t%{installsize}"
_LOCK_LIST = "/etc/dnf/plugins/versionlock.list"
# NAME-EPOCH:VERSION-RELEASE.* of the plugin versionlock.
_LOCKED = re.compile(r"(?P<name>[^!#\s]\S*)-(?:\d+:)?[^-\s]+-[^-\s]+")
_ASK_SECONDS = 300.0
_FETCH_SECONDS = 1800.0
_SCRIPT = r"""
while [ "$1" != -- ]; do printf '%s\n' "$1" | sha256sum --quiet --check -; shift; done
shift
exec "$@"
"""


class Dnf(Backend):
    """dnf and rpm; ``stage_folder`` is where downloads of this change lie, ``more`` are words that
    every call of dnf gets, ``root`` another place for rpm's database."""

    system = "dnf"

    def __init__(self, host: Host, stage_folder: str = _STAGE, root: str = "") -> None:
        super().__init__(host)
        self.stage_folder = stage_folder
        self._base = ["dnf", "-y", "--setopt=install_weak_deps=False"]
        self._base += ["--setopt=clean_requirements_on_remove=False"]
        self._rpm = ["rpm"]
        if root:
            self._base.append("--installroot=" + root)
            self._rpm += ["--root", root]

    def locks(self) -> list[str]:
        names = ("metadata", "download", "rpmdb")
        found = ["/var/cache/dnf/{0}_lock.pid".format(name) for name in names]
        return [*found, "/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock"]

    def interrupted(self) -> dict[str, str]:
        return {}

    def broken(self) -> list[str]:
        """An rpm transaction that was killed leaves the old version beside the new one."""
        found = self._query(["repoquery", "--installed", "--duplicates", "--qf", "%{name}"])
        return sorted(set(found.split()))

    def audit(self) -> list[str]:
        done = self._dnf(["check", "--dependencies", "--duplicates"])
        return [line for line in done.out.splitlines() if line.strip()] if done.code else []

    def installed(self, names: Sequence[str]) -> dict[str, Installed]:
        found: dict[str, Installed] = {}
        if not names:
            return found
        text = self.host.run([*self._rpm, "-q", "--qf", _QUERY, *names], _ASK_SECONDS).out
        for line in text.splitlines():
            words = line.split("\t")
            if len(words) == 4:
                one = Installed(_version(words[1], words[2]), words[3])
                # Kernels are installed beside each other; the newest is what counts.
                if words[0] not in found or self.newer(one.version, found[words[0]].version):
                    found[words[0]] = one
        return found

    def held(self) -> list[str]:
        """Packages of the plugin versionlock."""
        try:
            with open(self.host.at(_LOCK_LIST)) as source:
                matches = [_LOCKED.fullmatch(line.strip()) for line in source]
        except OSError:
            return []
        return sorted({match["name"] for match in matches if match})

    def newer(self, one: str, other: str) -> bool:
        return rpm_version.newer(one, other)

    def refresh(self, seconds: float) -> None:
        done = self._dnf(["-q", "makecache", "--refresh"], max(seconds, _ASK_SECONDS))
        if done.code != 0:
            raise _told("the package lists could not be renewed", "软件包列表更新失败", done)

    def simulate(self, ask: Ask) -> Simulation:
        words = ["upgrade"] if ask.upgrade else ["install", *self._specs(ask.words)]
        return self._asked([*("--exclude=" + name for name in ask.hold), *words])

    def _specs(self, words: Sequence[str]) -> list[str]:
        """dnf's install leaves alone what is there in any version, so the newest is named."""
        bare = [word for word in words if "=" not in word]
        newest = {}
        if self.installed(bare):
            form = "%{name}\\t%{epoch}\\t%{version}-%{release}"
            text = self._query(["repoquery", "--latest-limit=1", "--qf", form, *bare])
            lines = [line.split("\t") for line in text.splitlines()]
            newest = {line[0]: _version(line[1], line[2]) for line in lines if len(line) == 3}
        return [
            "{0}-{1}".format(word, newest[word]) if word in newest else _spec(word)
            for word in words
        ]

    def security(self, archives: Sequence[str], hold: Sequence[str]) -> Simulation:
        """By the advisories that the repositories publish; names of archives do not matter."""
        return self._asked([*("--exclude=" + name for name in hold), "upgrade", "--security"])

    def _asked(self, words: list[str]) -> Simulation:
        # dnf's word for "no": the table is printed and the status is 1, as for an error.
        done = self.host.run(
            [*(one for one in self._base if one != "-y"), "--assumeno", *words], _ASK_SECONDS
        )
        if "Dependencies resolved." not in done.out and "Nothing to do." not in done.out:
            raise _told("dnf finds no way", "dnf 无法解析依赖", done)
        names = {move.name for move in dnf_table.parse(done.out, {}).moves}
        here = {name: one.version for name, one in self.installed(sorted(names)).items()}
        return dnf_table.parse(done.out, here)

    def offers(self, moves: Sequence[Move]) -> dict[str, list[Offer]]:
        """Without digests: dnf tells them nowhere, but compares what it downloads with them."""
        found: dict[str, list[Offer]] = {move.name: [] for move in moves}
        if not moves:
            return found
        wanted = {(move.name, move.new, move.arch) for move in moves}
        text = self._query(["repoquery", "--qf", _OFFER, *map(_nevra, moves)])
        for line in text.splitlines():
            words = line.split("\t")
            if len(words) != 6:
                continue
            name, version, arch = words[0], _version(words[1], words[2]), words[3]
            if (name, version, arch) in wanted:
                found[name].append(Offer("", _number(words[4]), _number(words[5])))
        return found

    def stage(self, moves: Sequence[Move]) -> dict[str, Staged]:
        if not moves:
            return {}
        os.makedirs(self.store_folder(), mode=0o700, exist_ok=True)
        words = ["--downloadonly", "--downloaddir=" + self.stage_folder, "install"]
        done = self._dnf([*words, *map(_nevra, moves)], _FETCH_SECONDS)
        files = self.stored(moves)
        missing = sorted(name for name, path in files.items() if not os.path.isfile(path))
        if done.code != 0 or missing:
            raise _told("the packages cannot be downloaded", "软件包下载失败", done)
        return {n: Staged(p, file_digest(p), os.path.getsize(p)) for n, p in files.items()}

    def stored(self, moves: Sequence[Move]) -> dict[str, str]:
        return {
            move.name: os.path.join(
                self.store_folder(),
                "{0}-{1}.{2}.rpm".format(move.name, (move.new or "").split(":")[-1], move.arch),
            )
            for move in moves
        }

    def store_folder(self) -> str:
        return self.host.at(self.stage_folder)

    def contents(self, name: str, staged: str = "") -> list[str]:
        done = self.host.run([*self._rpm, "-ql", name], _ASK_SECONDS)
        found = done.out.splitlines() if done.code == 0 else []
        if staged:
            found += self.host.run(["rpm", "-qlp", staged], _ASK_SECONDS).out.splitlines()
        return found

    def transaction(
        self, simulation: Simulation, digests: dict[str, str], repair: bool
    ) -> list[str]:
        files = self.stored(simulation.coming)
        sums = ["{0}  {1}".format(digests[name], path) for name, path in files.items()]
        command = [*self._base, "--disablerepo=*", "install", *files.values()]
        return ["/bin/sh", "-euc", _SCRIPT, "storewarden-packages", *sums, "--", *command]

    def _dnf(self, words: list[str], seconds: float = _ASK_SECONDS) -> Done:
        return self.host.run([*self._base, *words], seconds)

    def _query(self, words: list[str]) -> str:
        done = self._dnf(["-q", *words])
        return done.out if done.code == 0 else ""


def _version(epoch: str, rest: str) -> str:
    return rest if epoch in ("", "0", "(none)") else "{0}:{1}".format(epoch, rest)


def _spec(word: str) -> str:
    """``name=version`` as dnf writes it."""
    return word.replace("=", "-", 1)


def _nevra(move: Move) -> str:
    return "{0}-{1}.{2}".format(move.name, move.new, move.arch)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _told(en: str, zh: str, done: Done) -> PackageError:
    lines = [line.strip() for line in (done.err + "\n" + done.out).splitlines() if line.strip()]
    marks = ("Error:", "Problem", "- nothing provides", "- package", "No match", "Unable to find")
    said = [line for line in lines if line.startswith(marks)]
    words = "; ".join(said[:4]) or done.last
    return PackageError("{0}: {1}".format(en, words), "{0}：{1}".format(zh, words))
