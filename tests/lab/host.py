# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's disk and its start: what makes a copy of the base image this host.

A host is the shared image with its own thin layer on top; resetting it is throwing the layer
away. Everything that makes it a machine of its own (name, address, keys, machine id, apt source)
is written into the layer before systemd starts.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.lab import cgroups, mounts, network, repository
from tests.lab.places import Places, cache_root, locked
from tests.lab.processes import run
from tests.lab.shape import HostPlan, LabPlan

# systemd-nspawn ends with this status when the host asked to be rebooted, and only then.
REBOOT_STATUS = 133
_OPS = 1000
_KEY_KINDS = ("ed25519", "ecdsa", "rsa")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a host needs to know of its lab."""

    plan: LabPlan
    places: Places
    repository_port: int


def folder(places: Places, host: HostPlan) -> Path:
    """Where one host's layer, mount point and console log lie."""
    return places.hosts / host.name


def console(places: Places, host: HostPlan) -> Path:
    """What the host wrote to its console since it was last reset."""
    return folder(places, host) / "console.log"


def prepare(
    host: HostPlan, lab: Surroundings, *, disk_mb: int = 0, above: Path | None = None
) -> None:
    """Give the host a fresh disk: wipe its layer, mount it, write what makes it this host.

    With `disk_mb` the layer is a memory disk of that size, so the host's disk can be filled.
    `above` is software that only this host has (see database_layer).
    """
    home = folder(lab.places, host)
    mounts.remove_tree(home / "layer")
    home.mkdir(parents=True, exist_ok=True)
    console(lab.places, host).unlink(missing_ok=True)
    if disk_mb:
        mounts.mount_tmpfs(home / "layer", megabytes=disk_mb)
    mounts.mount_overlay(
        lower=Path(lab.plan.image),
        layer=home / "layer",
        root=home / "root",
        above=above,
        passing=True,
    )
    _personalise(home / "root", host, lab)


def _personalise(root: Path, host: HostPlan, lab: Surroundings) -> None:
    for path, text in _files(host, lab):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(0o644)
    for key in key_files(host):
        target = root / "etc/ssh" / key.name
        shutil.copyfile(key, target)
        target.chmod(0o644 if key.suffix == ".pub" else 0o600)
    authorized = root / "home/ops/.ssh/authorized_keys"
    authorized.write_text(lab.places.private_key.with_suffix(".pub").read_text())
    authorized.chmod(0o600)
    os.chown(authorized, _OPS, _OPS)


def _files(host: HostPlan, lab: Surroundings) -> Iterator[tuple[str, str]]:
    plan = lab.plan
    neighbours = "".join(f"{other.address} {other.name}\n" for other in plan.hosts)
    yield "etc/hostname", f"{host.name}\n"
    yield "etc/hosts", f"127.0.0.1 localhost\n::1 localhost\n{neighbours}"
    yield "etc/machine-id", _machine_id(plan, host) + "\n"
    yield (
        # systemd's own 80-container-host0.network would ask DHCP; the earlier name wins.
        "etc/systemd/network/10-host0.network",
        f"[Match]\nName=host0\n\n[Network]\nAddress={host.address}/24\n"
        "LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
    )
    source = repository.apt_source(plan.bridge_address, lab.repository_port)
    yield "etc/apt/sources.list.d/storewarden-lab.sources", source
    key = repository.public_key(lab.places.repository).read_text()
    yield "etc/apt/keyrings/storewarden-lab.asc", key


def _machine_id(plan: LabPlan, host: HostPlan) -> str:
    """The same for every reset of one host in one lab, and no other host's."""
    return hashlib.sha256(f"{plan.key}/{host.name}".encode()).hexdigest()[:32]


def command(host: HostPlan, lab: Surroundings) -> list[str]:
    """The words that start the host in control groups of its own.

    The host must not outlive its supervisor: it asks for SIGKILL when its parent ends.
    """
    join = 'for group in $GROUPS_TO_JOIN; do echo $$ > "$group"; done; exec "$@"'
    groups = " ".join(str(path) for path in cgroups.create(lab.plan.key, host.name))
    return [
        # The lab's own locks do; nspawn's stay behind in /run after a kill.
        *("env", f"GROUPS_TO_JOIN={groups}", "SYSTEMD_NSPAWN_LOCK=0", "sh", "-ec", join, "sh"),
        *("setpriv", "--pdeathsig", "KILL", "systemd-nspawn", "--quiet"),
        # No machined and no scope of a running systemd: our own groups hold it.
        *("--register=no", "--keep-unit", "--settings=no", "--link-journal=no"),
        *("--resolv-conf=off", "--timezone=off", "--console=read-only"),
        *("-D", str(folder(lab.places, host) / "root"), "-M", host.machine),
        *(f"--hostname={host.name}", f"--network-bridge={lab.plan.bridge}", "-b"),
    ]


def forget(host: HostPlan) -> None:
    """Remove what systemd-nspawn leaves in /run when it is killed.

    With an old `unix-export` in its way, version 257 does not start the host again.
    """
    for kind in ("propagate", "unix-export"):
        left = Path("/run/systemd/nspawn", kind, host.machine)
        mounts.unmount_below(left)
        with contextlib.suppress(OSError):
            left.rmdir()


def end(host: HostPlan, lab: Surroundings) -> None:
    """Stop the host at once, whatever it does."""
    cgroups.end(lab.plan.key, host.name)
    forget(host)
    network.forget_connections(host.address)


def ensure_keys(count: int) -> None:
    """Host keys for hosts 0..count-1, made once per machine (an RSA key takes half a second)."""
    with locked(cache_root() / "hostkeys.lock"):
        missing = [
            _key_folder(index) / f"ssh_host_{kind}_key"
            for index in range(count)
            for kind in _KEY_KINDS
            if not (_key_folder(index) / f"ssh_host_{kind}_key.pub").exists()
        ]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_make_key, missing))


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = path.name.split("_")[2]
    path.unlink(missing_ok=True)
    bits = ["-b", "3072"] if kind == "rsa" else []
    run(["ssh-keygen", "-q", "-N", "", "-C", "root@storewarden-lab", "-t", kind, *bits, "-f", path])


def _key_folder(index: int) -> Path:
    return cache_root() / "hostkeys" / f"{index:03d}"


def key_files(host: HostPlan) -> list[Path]:
    """The host's private and public keys in the cache."""
    return sorted(_key_folder(host.index).glob("ssh_host_*"))


def known_hosts(plan: LabPlan) -> str:
    """What an ssh client must know to trust every host of the lab."""
    return "".join(
        f"{host.name},{host.address} {' '.join(key.read_text().split()[:2])}\n"
        for host in plan.hosts
        for key in key_files(host)
        if key.suffix == ".pub"
    )
