# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab needs of this machine: root, and a few Debian packages.

A fresh machine gets both without questions: missing packages are installed with apt, and a user
who may use sudo is carried over to root with the settings of the lab kept.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.lab.places import LabError, source_root
from tests.lab.processes import environment, last_line

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "apt-ftparchive": "apt-utils",
    "dpkg-scanpackages": "dpkg-dev",
    "gpg": "gnupg",
    "setpriv": "util-linux",
    "mount": "mount",
}
_KEPT = ("CACHE", "STATE", "MIRROR", "NAME", "SIZE", "REUSE")


def have(program: str) -> bool:
    """Whether a program is installed (also in the folders only root has on its PATH)."""
    return shutil.which(program, path=environment()["PATH"]) is not None


def missing_packages() -> list[str]:
    """Debian packages this machine still lacks, sorted."""
    packages = {package for program, package in _PROGRAMS.items() if not have(program)}
    if not KEYRING.exists():
        packages.add("debian-archive-keyring")
    return sorted(packages)


def ensure_tools(say: Callable[[str], None] = print) -> None:
    """Install what is missing (root only); LabError when this machine cannot."""
    packages = missing_packages()
    if not packages:
        return
    if not have("apt-get"):
        wanted = ", ".join(packages)
        raise LabError(f"missing: {wanted}; the lab needs Debian 12, 13 or Ubuntu 24.04")
    say(f"installing {', '.join(packages)}")
    _apt("update", "-q")
    _apt("install", "-q", "-y", "--no-install-recommends", *packages)
    if still := missing_packages():
        raise LabError(f"apt-get installed {', '.join(still)} and yet it is missing")


def _apt(*words: str) -> None:
    settings = {**environment(), "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", *words],
        env=settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"apt-get {' '.join(words)}: {last_line(done.stderr or done.stdout)}")


def root_prefix(*, ask: bool) -> list[str] | None:
    """The words before a command that make it run as root; None when this user cannot.

    With `ask`, a sudo that wants a password counts (it asks on the terminal).
    """
    if os.geteuid() == 0:
        return []
    if not have("sudo"):
        return None
    silent = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    if silent.returncode != 0 and not (ask and sys.stdin.isatty()):
        return None
    kept = [f"STOREWARDEN_LAB_{name}" for name in _KEPT]
    settings = [f"{name}={os.environ[name]}" for name in kept if name in os.environ]
    # Root must not leave its compiled files in the user's checkout.
    return ["sudo", "--", "env", "PYTHONDONTWRITEBYTECODE=1", *settings]


def become_root() -> None:
    """Replace this process by the same command under sudo; returns when already root."""
    prefix = root_prefix(ask=True)
    if prefix is None:
        raise LabError("the lab needs root: run this as root, or let this user use sudo")
    if prefix:
        os.chdir(source_root())
        sys.stdout.flush()
        os.execvp(prefix[0], [*prefix, sys.executable, "-m", "tests.lab", *sys.argv[1:]])
