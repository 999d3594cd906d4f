# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Debian and Ubuntu: apt resolves and fetches, dpkg knows what is there.

Every call names its options, so that a host's own apt.conf decides nothing that matters here:
no question is asked, no recommendation is followed, nothing is removed because nobody needs it.
"""

from __future__ import annotations

import os
import tempfile
import time
from typing import Iterator, Sequence

from ansible_collections.storewarden.ops.plugins.module_utils.restore.disk import file_digest
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Done, Host

from . import apt_simulation, dpkg_state
from .backend import Ask, Backend, Installed, Offer
from .failures import PackageError
from .transaction import Move, Simulation, Staged

_ARCHIVES = "/var/cache/apt/archives"
_BASE = (
    *("apt-get", "-q", "-y", "--no-install-recommends"),
    *("-o", "APT::Get::AutomaticRemove=false", "-o", "APT::Sandbox::User=root"),
    *("-o", "Acquire::Retries=2", "-o", "APT::Update::Error-Mode=any"),
)
# The simulation is to name such moves; whether they are allowed is decided by what it named.
_NAME_ALL = ("--allow-downgrades", "--allow-change-held-packages")
_KEEP_FILES = (
    *("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"),
    *("-o", "Dpkg::Use-Pty=false"),
)
_LOCKED = ("Could not get lock", "Unable to lock", "Unable to acquire the dpkg")
_ASK_SECONDS = 180.0
_FETCH_SECONDS = 1800.0
# $1: 1 to finish an interrupted dpkg; $2: the stage; "DIGEST  FILE" up to "--"; apt's own words.
# At last the files go into apt's cache, as after any other installation: three quarters of all
# installed versions are in no repository any more when the next change needs a way back.
_SCRIPT = r"""
repair=$1 stage=$2; shift 2
if [ "$repair" = 1 ]; then dpkg --force-confdef --force-confold --configure --pending; fi
while [ "$1" != -- ]; do printf '%s\n' "$1" | sha256sum --quiet --check -; shift; done
shift
if [ $# -gt 0 ]; then "$@"; fi
for file in "$stage"/*.deb; do
  [ -f "$file" ] || continue
  ln "$file" /var/cache/apt/archives/ 2>/dev/null || cp "$file" /var/cache/apt/archives/ || true
done
"""
_SILENT = (
    *("env", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "DEBIAN_PRIORITY=critical"),
    *("APT_LISTCHANGES_FRONTEND=none", "APT_LISTBUGS_FRONTEND=none", "UCF_FORCE_CONFFOLD=1"),
    # needrestart would restart services by rules of its own, or ask; `restarts` does it instead.
    "NEEDRESTART_SUSPEND=1",
)


class Apt(Backend):
    """apt and dpkg; ``stage_folder`` is where downloads of this change lie."""

    system = "apt"

    def __init__(self, host: Host, stage_folder: str = _ARCHIVES) -> None:
        super().__init__(host)
        self.stage_folder = stage_folder

    def locks(self) -> list[str]:
        return [
            "/var/lib/dpkg/lock-frontend",
            "/var/lib/dpkg/lock",
            "/var/lib/apt/lists/lock",
            _ARCHIVES + "/lock",
            # unattended-upgrades lets go of dpkg's lock between two packages, but not of its own.
            "/run/unattended-upgrades.lock",
        ]

    def interrupted(self) -> dict[str, str]:
        return dpkg_state.interrupted(self.host)

    def broken(self) -> list[str]:
        return dpkg_state.broken(self.host)

    def audit(self) -> list[str]:
        return dpkg_state.audit(self.host)

    def installed(self, names: Sequence[str]) -> dict[str, Installed]:
        return dpkg_state.installed(self.host, names)

    def held(self) -> list[str]:
        return dpkg_state.held(self.host)

    def newer(self, one: str, other: str) -> bool:
        return self.host.run(["dpkg", "--compare-versions", one, "gt", other]).code == 0

    def refresh(self, seconds: float) -> None:
        done = self._patiently([*_BASE, "update"], seconds)
        failed = [
            line for line in (done.err + done.out).splitlines() if line.startswith(("E:", "W:"))
        ]
        if done.code != 0 or any("Failed to fetch" in line for line in failed):
            raise _told("the package lists could not be renewed", "软件包列表更新失败", done)

    def _patiently(self, argv: list[str], seconds: float) -> Done:
        """apt's option for waiting does not cover the lock of the package lists."""
        end = time.monotonic() + seconds
        while True:
            done = self.host.run(argv, _FETCH_SECONDS)
            locked = done.code != 0 and any(word in done.err for word in _LOCKED)
            if not locked or time.monotonic() > end:
                return done
            time.sleep(0.5)

    def simulate(self, ask: Ask) -> Simulation:
        verb = "upgrade" if ask.upgrade else "install"
        words = [*ask.words, *(name + "-" for name in ask.gone)]
        if ask.upgrade:
            verb = "dist-upgrade" if ask.removals else "upgrade"
            words = [] if ask.removals else ["--with-new-pkgs"]
        with self._pinned(ask.hold) as more:
            argv = [*_BASE, *_NAME_ALL, *more, "--simulate", verb, *words]
            done = self.host.run(argv, _ASK_SECONDS)
        if done.code != 0:
            raise _told("apt finds no way", "apt 无法解析依赖", done)
        return apt_simulation.parse(done.out)

    def security(self, archives: Sequence[str], hold: Sequence[str]) -> Simulation:
        """What the security archives have newer, with what it needs."""
        everything = self.simulate(Ask(upgrade=True, removals=True, hold=tuple(hold)))
        words = [
            "{0}={1}".format(move.name, move.new)
            for move in everything.coming
            if move.old and any(one.lower() in move.origins.lower() for one in archives)
        ]
        if not words:
            return Simulation(())
        return self.simulate(Ask(words=tuple(words), hold=tuple(hold)))

    def _pinned(self, hold: Sequence[str]) -> _Preferences:
        return _Preferences(self.host, self.installed(list(hold)) if hold else {})

    def offers(self, moves: Sequence[Move]) -> dict[str, list[Offer]]:
        found: dict[str, list[Offer]] = {move.name: [] for move in moves}
        known = {(m.name.split(":")[0], m.arch, m.new): m.name for m in moves}
        for part in _parts([_exactly(move) for move in moves], 100):
            # A version that is gone makes the status 100, and the others are told all the same.
            text = self.host.run(["apt-cache", "show", *part], _ASK_SECONDS).out
            for record in text.split("\n\n"):
                fields = _fields(record)
                key = tuple(fields.get(word, "") for word in ("Package", "Architecture", "Version"))
                # What dpkg alone knows has no digest: it is installed, not offered.
                if key in known and "SHA256" in fields:
                    found[known[key]].append(_offer(fields))
        return found

    def stage(self, moves: Sequence[Move]) -> dict[str, Staged]:
        if not moves:
            return {}
        os.makedirs(self.store_folder(), mode=0o700, exist_ok=True)
        # Needs no lock and no dependencies, so it also works while a run of dpkg is interrupted.
        argv = ["env", "-C", self.store_folder(), *_BASE, "download"]
        for part in _parts([_exactly(move) for move in moves], 200):
            done = self.host.run([*argv, *part], _FETCH_SECONDS)
            if done.code != 0:
                raise _told("the packages cannot be downloaded", "软件包下载失败", done)
        files = self.stored(moves)
        for name, path in files.items():
            if not os.path.isfile(path):
                raise PackageError(
                    "{0}: apt did not download it".format(name), "{0}：apt 未下载".format(name)
                )
        return {n: Staged(p, file_digest(p), os.path.getsize(p)) for n, p in files.items()}

    def stored(self, moves: Sequence[Move]) -> dict[str, str]:
        return {move.name: os.path.join(self.store_folder(), _file_name(move)) for move in moves}

    def store_folder(self) -> str:
        return self.host.at(self.stage_folder)

    def _from_stage(self) -> tuple[str, ...]:
        return ("-o", "Dir::Cache::archives={0}/".format(self.stage_folder))

    def contents(self, name: str, staged: str = "") -> list[str]:
        listed = self.host.run(["dpkg", "-L", name])
        found = listed.out.splitlines() if listed.code == 0 else []
        if staged:
            text = self.host.run(["dpkg-deb", "--contents", staged], _ASK_SECONDS).out
            found += [_path(line) for line in text.splitlines()]
        return found

    def transaction(
        self, simulation: Simulation, digests: dict[str, str], repair: bool
    ) -> list[str]:
        files = self.stored(simulation.coming)
        sums = ["{0}  {1}".format(digests[name], files[name]) for name in files]
        words = [_exactly(move) for move in simulation.coming]
        words += [name + "-" for name in simulation.going]
        apt: list[str] = []
        if words:
            apt = [*_BASE, *_KEEP_FILES, *self._from_stage(), "-o", "DPkg::Lock::Timeout=300"]
            apt += ["--no-download", *_allowed(self, simulation), "install", *words]
        script = [*_SILENT, "/bin/sh", "-euc", _SCRIPT, "storewarden-packages"]
        return [*script, "1" if repair else "0", self.stage_folder, *sums, "--", *apt]


class _Preferences:
    """apt's preferences for one call: these packages stay at the version that they have."""

    def __init__(self, host: Host, pins: dict[str, Installed]) -> None:
        self._host = host
        self._pins = pins
        self._path = ""

    def __enter__(self) -> list[str]:
        if not self._pins:
            return []
        own = self._host.at("/etc/apt/preferences")
        text = ""
        if os.path.isfile(own):
            with open(own) as source:
                text = source.read() + "\n\n"
        for name, one in sorted(self._pins.items()):
            text += "Package: {0}\nPin: version {1}\n".format(name, one.version)
            text += "Pin-Priority: 1001\n\n"
        with tempfile.NamedTemporaryFile("w", prefix="storewarden-", delete=False) as made:
            made.write(text)
        self._path = made.name
        return ["-o", "Dir::Etc::preferences=" + self._path]

    def __exit__(self, *_: object) -> None:
        if self._path:
            os.unlink(self._path)


def _allowed(apt: Apt, simulation: Simulation) -> list[str]:
    """What the preflight has allowed must not be refused by apt's own caution."""
    down = any(m.old and m.new and apt.newer(m.old, m.new) for m in simulation.coming)
    return ["--allow-downgrades"] if down else []


def _exactly(move: Move) -> str:
    name = move.name if ":" in move.name or move.arch in ("", "all") else _native(move)
    return "{0}={1}".format(name, move.new)


def _native(move: Move) -> str:
    return "{0}:{1}".format(move.name, move.arch)


def _file_name(move: Move) -> str:
    """As apt names it: what would divide the name is written as %XX."""
    version = (move.new or "").replace(":", "%3a")
    return "{0}_{1}_{2}.deb".format(move.name.split(":")[0], version, move.arch)


def _path(line: str) -> str:
    """``-rwxr-xr-x root/root 12 2023-11-14 22:13 ./usr/lib/x`` or, for a link, ``./x -> y``."""
    name = line.split(None, 5)[-1].split(" -> ", maxsplit=1)[0]
    return "/" + name[2:] if name.startswith("./") else name


def _fields(record: str) -> dict[str, str]:
    lines = [line.split(": ", 1) for line in record.splitlines() if not line.startswith(" ")]
    return {line[0]: line[1].strip() for line in lines if len(line) == 2}


def _offer(fields: dict[str, str]) -> Offer:
    unpacked = int(fields.get("Installed-Size", "0") or 0) * 1024
    return Offer(fields["SHA256"], int(fields.get("Size", "0") or 0), unpacked)


def _parts(words: list[str], size: int) -> Iterator[list[str]]:
    for begin in range(0, len(words), size):
        yield words[begin : begin + size]


def _told(en: str, zh: str, done: Done) -> PackageError:
    """With the package manager's own words: its errors, without their mark."""
    lines = (done.err + "\n" + done.out).splitlines()
    said = [line[2:].strip() for line in lines if line.startswith("E:")]
    # apt explains a conflict above its error, indented.
    why = [line.strip() for line in lines if line.startswith(" ") and "Depends" in line]
    why += [line.strip() for line in lines if line.startswith(" ") and "Conflicts" in line]
    words = "; ".join([*why[:3], *said[:2]]) or done.last
    return PackageError("{0}: {1}".format(en, words), "{0}：{1}".format(zh, words))
