# SPDX-License-Identifier: GPL-3.0-or-later
"""The base image: one Debian 12 tree that all hosts of all labs share and none may change.

It is kept under the digest of its recipe, so a changed recipe is a new image and an old one is
never mistaken for it. A tree gets that name by a rename after the last step: whatever interrupts
a build, an unfinished tree is never used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Self

from tests.lab import mirror
from tests.lab.mounts import remove_tree
from tests.lab.places import LabError, cache_root, locked
from tests.lab.processes import environment, last_line, run

Say = Callable[[str], None]

PACKAGES = (
    *("systemd", "systemd-sysv", "systemd-timesyncd", "dbus", "libpam-systemd", "kmod", "procps"),
    *("openssh-server", "sudo", "passwd", "libpam-runtime", "libpam-pwquality", "cracklib-runtime"),
    *("nftables", "iproute2", "auditd", "rsyslog", "rsyslog-gnutls", "logrotate", "cron"),
    *("python3", "acl", "attr", "apt", "ca-certificates", "tzdata", "less"),
    # The second opinion of tests/scanner. Without linux-base the data stream takes a host for one
    # that has no kernel of its own, and answers "not applicable" for most rules.
    *("openscap-scanner", "linux-base"),
    # What backups are taken and copied with, as the role backup_agent would install it.
    *("restic", "rclone"),
)

# What mmdebstrap leaves to us. `ops` is the automation account (keys only); `cashier` is the
# person at the till: a shell, no password that works, no sudo.
_FINISH = r"""
useradd --create-home --uid 1000 --shell /bin/bash --groups sudo ops
useradd --create-home --uid 1001 --shell /bin/bash cashier
echo 'ops ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/ops
chmod 0440 /etc/sudoers.d/ops
install -d -o ops -g ops -m 0700 /home/ops/.ssh
systemctl enable systemd-networkd.service
systemctl disable systemd-networkd-wait-online.service
rm -f /etc/ssh/ssh_host_* /etc/hostname /etc/resolv.conf /usr/sbin/policy-rc.d
rm -f /etc/apt/apt.conf.d/99mmdebstrap /etc/apt/sources.list
rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /var/cache/apt/*.bin
rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/log/bootstrap.log
rm -rf /var/log/journal/* /tmp/* /var/tmp/* ~root/.bash_history
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id
ln -s /etc/machine-id /var/lib/dbus/machine-id
"""

_UNUSED = timedelta(days=30)
_STAGES = {
    "running apt-get update": "reading package lists",
    "downloading packages": "downloading packages",
    "extracting archives": "unpacking the essential ones",
    "installing essential": "installing the essential ones",
    "installing remaining": "installing the others",
    "cleaning package lists": "cleaning",
}


def digest() -> str:
    """The recipe's name: 16 hexadecimal digits over suite, packages and finishing script."""
    recipe = json.dumps([mirror.SUITE, architecture(), PACKAGES, _FINISH])
    return hashlib.sha256(recipe.encode()).hexdigest()[:16]


def architecture() -> str:
    """This machine's Debian architecture, such as ``amd64``."""
    return run(["dpkg", "--print-architecture"]).stdout.strip()


def path() -> Path:
    """Where the image of today's recipe lies once it is built."""
    return cache_root() / "images" / f"{mirror.SUITE}-{digest()}"


def ensure(say: Say = print, *, rebuild: bool = False) -> Path:
    """The image, built first when it is missing (about half a minute and the network)."""
    if path().exists() and not rebuild:
        # The age of the folder says when it was last used: see _forget_old.
        os.utime(path())
        return path()
    cache_root().mkdir(parents=True, exist_ok=True)
    cache_root().chmod(0o700)
    if not _free(cache_root() / "build.lock"):
        say("another build of the base image is running; waiting for it")
    with locked(cache_root() / "build.lock", patience=1800.0):
        # Whoever held the lock before us may have built it.
        if rebuild or not path().exists():
            _build(say)
    return path()


def _free(lock: Path) -> bool:
    try:
        with locked(lock, patience=0.0):
            return True
    except LabError:
        return False


def _build(say: Say) -> None:
    _refuse_if_used()
    for leftover in (cache_root() / "images").glob(".building-*"):
        remove_tree(leftover)
    building = cache_root() / "images" / f".building-{os.getpid()}"
    building.mkdir(mode=0o700, parents=True)
    say(f"base image: building Debian {mirror.SUITE} from {mirror.lines()[0].split()[2]}")
    with Progress(say) as progress:
        try:
            _bootstrap(building / "tree", progress)
            progress.stage("setting up accounts and services")
            run(["chroot", building / "tree", "/bin/sh", "-eu"], stdin=_FINISH)
            remove_tree(path())
            (building / "tree").rename(path())
        finally:
            remove_tree(building)
    _forget_old()
    say(f"base image: ready after {progress.seconds:.0f} s, {megabytes(path())} MB")


def _forget_old() -> None:
    """Remove images of other recipes that nobody has used for a month."""
    used = Path("/proc/self/mountinfo").read_text()
    for other in path().parent.iterdir():
        if time.time() - other.stat().st_mtime > _UNUSED.total_seconds() and str(other) not in used:
            remove_tree(other)


def _refuse_if_used() -> None:
    """Hosts that run on a tree read their files from it: it must not go away below them."""
    if str(path()) in Path("/proc/self/mountinfo").read_text():
        raise LabError("hosts of a lab run on this base image: take that lab down first")


class Progress:
    """Plain lines about a long build: each stage as it begins, and a sign of life in long ones."""

    def __init__(self, say: Say, *, every: float = 10.0) -> None:
        self._say = say
        self._every = every
        self._begun = time.monotonic()
        self._stage = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._remind, daemon=True)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def stage(self, name: str) -> None:
        self._stage = name
        self._say(f"base image: {name} [{self.seconds:.0f} s]")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _remind(self) -> None:
        while not self._over.wait(self._every):
            self._say(f"base image: still {self._stage} [{self.seconds:.0f} s]")


def megabytes(folder: Path) -> int:
    """Disk space below a folder, in MB of 2**20 bytes."""
    return int(run(["du", "-sm", folder]).stdout.split()[0])


def _bootstrap(tree: Path, progress: Progress) -> None:
    log = cache_root() / "build.log"
    with _building(_command(tree)) as process, log.open("w") as record:
        for line in process.stdout or ():
            record.write(line)
            _report(line, progress)
    if process.returncode != 0:
        raise LabError(f"base image: mmdebstrap: {_reason(log)} (all of it: {log})")


def _command(tree: Path) -> list[str]:
    options = ['APT::Install-Recommends "false"', *mirror.fetch_options()]
    return [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        f"--architectures={architecture()}",
        f"--include={','.join(PACKAGES)}",
        *(f"--aptopt={option}" for option in options),
        mirror.SUITE,
        str(tree),
        *mirror.lines(),
    ]


@contextlib.contextmanager
def _building(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The build in a process namespace of its own: whatever ends us, all of it ends at once."""
    alone = ["setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--pid", "--mount-proc"]
    process = subprocess.Popen(
        [*alone, "--kill-child", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment(),
        start_new_session=True,
    )
    try:
        yield process
        process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise


def _report(line: str, progress: Progress) -> None:
    for start, stage in _STAGES.items():
        if line.startswith(f"I: {start}"):
            progress.stage(stage)


def _reason(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    errors = [line for line in lines if line.startswith(("E:", "Err:"))]
    return errors[0] if errors else last_line("\n".join(lines))
