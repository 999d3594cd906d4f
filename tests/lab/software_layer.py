# SPDX-License-Identifier: GPL-3.0-or-later
"""Software of Debian that only some tests need, installed once and laid between image and host.

What the installation changes is kept beside the base image, under the digest of both recipes. A
host that is reset with it (``LabHost.reset(above=...)``) boots as after ``apt install``.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from tests.lab import image, mirror
from tests.lab.mounts import mount_overlay, remove_tree, unmount_below
from tests.lab.places import cache_root, locked
from tests.lab.processes import run

_BEFORE = r"""
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d
"""
_AFTER = r"""
rm -f /usr/sbin/policy-rc.d
rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /var/cache/apt/*.bin
rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/log/journal/*
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """``packages`` and what they need; ``prepare`` is shell that runs in the tree before."""

    name: str
    packages: tuple[str, ...]
    prepare: str = ""

    def path(self) -> Path:
        """Where the layer of today's recipes lies once it is built."""
        recipe = json.dumps([image.digest(), self.packages, self.prepare, _BEFORE, _AFTER])
        digest = hashlib.sha256(recipe.encode()).hexdigest()[:16]
        return cache_root() / "layers" / f"{self.name}-{digest}"

    def ensure(self, say: image.Say = print) -> Path:
        """The layer, built first when it is missing (the network; needs root)."""
        if self.path().exists():
            os.utime(self.path())
            return self.path()
        base = image.ensure(say)
        with locked(cache_root() / "layer.lock", patience=1800.0):
            if not self.path().exists():
                self._build(base, say)
        return self.path()

    def _build(self, base: Path, say: image.Say) -> None:
        folder = self.path().parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mounted = Path("/proc/self/mountinfo").read_text()
        for old in (*folder.glob(f".{self.name}-*"), *folder.glob(f"{self.name}-*")):
            if str(old) not in mounted:
                remove_tree(old)
        building = folder / f".{self.name}-{os.getpid()}"
        building.mkdir(mode=0o700)
        say(f"{self.name} layer: installing {', '.join(self.packages)}")
        try:
            self._install(base, building)
            (building / "layer" / "upper").rename(self.path())
        finally:
            remove_tree(building)
        say(f"{self.name} layer: ready, {image.megabytes(self.path())} MB")

    def _install(self, base: Path, building: Path) -> None:
        root = building / "root"
        mount_overlay(lower=base, layer=building / "layer", root=root)
        run(["mount", "-t", "proc", "proc", root / "proc"])
        try:
            run(["chroot", root, "/bin/sh", "-eu"], stdin=_BEFORE + self.prepare)
            self._apt(root, building)
            run(["chroot", root, "/bin/sh", "-eu"], stdin=_AFTER)
        finally:
            unmount_below(root)

    def _apt(self, root: Path, building: Path) -> None:
        """This machine's apt works on the tree, so its mirror, keys and proxy are used."""
        sources = building / "sources.list"
        sources.write_text("\n".join(mirror.lines()) + "\n")
        options = {
            "Dir": root,
            "Dir::Etc::SourceList": sources,
            "Dir::Etc::SourceParts": "/nowhere",
            "Dir::State::status": root / "var/lib/dpkg/status",
            "DPkg::Chroot-Directory": root,
            "APT::Sandbox::User": "root",
            "Dpkg::Options::": "--force-unsafe-io",
        }
        words = [f"-o{name}={value}" for name, value in options.items()]
        called = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", *words]
        run([*called, "update"])
        run([*called, "install", "-y", "--no-install-recommends", *self.packages])


WEB = Layer(name="web", packages=("redis-server", "nginx-light", "openssl"))
"""Redis and nginx; openssl makes the certificates that the tests need."""

DATABASES = Layer(
    name="databases",
    packages=(
        *("postgresql-15", "postgresql-15-pgaudit", "pgbackrest"),
        *("mariadb-server", "mariadb-backup"),
    ),
    # MariaDB's own redo log has a hundred megabytes, which every host would copy.
    prepare=r"""
mkdir -p /etc/mysql/mariadb.conf.d
printf '[mysqld]\ninnodb_log_file_size = 4M\ninnodb_buffer_pool_size = 16M\n' \
  > /etc/mysql/mariadb.conf.d/60-lab.cnf
""",
)
"""PostgreSQL and MariaDB, both running after the boot."""

BACKUP = Layer(name="backup", packages=("restic", "rclone", "sqlite3"))
"""What the backups of files and SQLite databases need."""

RESOLVED = Layer(name="resolved", packages=("systemd-resolved",))
"""systemd-resolved, to which resolv.conf leads as after its installation."""

RPM = Layer(
    name="rpm",
    packages=("dnf", "rpm", "createrepo-c", "dnf-plugins-core"),
    # Debian's rpm keeps its database in the home folder, and its dnf knows no release.
    prepare=r"""
mkdir -p /etc/rpm /etc/dnf/vars /etc/yum.repos.d
echo '%_dbpath /var/lib/rpm' > /etc/rpm/macros
echo 9 > /etc/dnf/vars/releasever
""",
)
"""dnf and rpm beside apt and dpkg, with what builds packages and repositories for them."""

TILL = Layer(name="till", packages=("cups-daemon", "cups-client", "chrony"))
"""CUPS and chrony, as a till has them."""

LAYERS = {layer.name: layer for layer in (WEB, DATABASES, BACKUP, RESOLVED, RPM, TILL)}
