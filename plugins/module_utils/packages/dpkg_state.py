# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What dpkg's own database says, without apt."""

from __future__ import annotations

import os
from typing import NamedTuple, Sequence

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

from .backend import Installed

_FORMAT = "${binary:Package}\\t${Version}\\t${Architecture}\\t${db:Status-Want}\\t"
_FORMAT += "${db:Status-Status}\\t${db:Status-Eflag}\\n"
# `dpkg --configure --pending` brings these to their end.
_HALF_WAY = ("unpacked", "half-configured", "triggers-awaited", "triggers-pending")
# Packages that were built without checksums work as well as others.
_HARMLESS = "md5sums"
_ABSENT = ("not-installed", "config-files")


class Record(NamedTuple):
    """One line of dpkg's database; ``want`` is what people asked for (``hold``)."""

    name: str
    version: str
    arch: str
    want: str
    status: str
    flag: str


def records(host: Host, names: Sequence[str] = ()) -> list[Record]:
    """All packages that dpkg knows, or those of these names."""
    # A name that is unknown makes the status 1, and the others are told all the same.
    text = host.run(["dpkg-query", "-W", "-f", _FORMAT, *names]).out
    lines = [line.split("\t") for line in text.splitlines()]
    return [Record(*line) for line in lines if len(line) == 6]


def native(host: Host) -> str:
    return host.must(["dpkg", "--print-architecture"]).strip()


def plain_name(record: Record, own: str) -> str:
    """As apt names it: with the architecture only where it is a foreign one."""
    bare = record.name.split(":")[0]
    return bare if record.arch in (own, "all") else "{0}:{1}".format(bare, record.arch)


def installed(host: Host, names: Sequence[str]) -> dict[str, Installed]:
    own = native(host)
    found = {}
    for one in records(host, names) if names else ():
        name = plain_name(one, own)
        if name in names and one.status not in _ABSENT:
            found[name] = Installed(one.version, one.arch, one.status)
    return found


def interrupted(host: Host) -> dict[str, str]:
    """Packages that dpkg has left half way; the key is empty for a journal without a package."""
    own = native(host)
    found = {plain_name(one, own): one.status for one in records(host) if _half_way(one)}
    updates = host.at("/var/lib/dpkg/updates")
    if not found and os.path.isdir(updates) and any(n.isdigit() for n in os.listdir(updates)):
        found["dpkg"] = "journal"
    return found


def _half_way(record: Record) -> bool:
    return record.status in _HALF_WAY and record.flag != "reinstreq"


def broken(host: Host) -> list[str]:
    """Half unpacked, or marked for a new installation: dpkg alone does not repair these."""
    return sorted(
        one.name
        for one in records(host)
        if one.status == "half-installed" or one.flag == "reinstreq"
    )


def held(host: Host) -> list[str]:
    own = native(host)
    return sorted(plain_name(one, own) for one in records(host) if one.want == "hold")


def audit(host: Host) -> list[str]:
    """dpkg's complaints, one line per package: a paragraph of reasons, then indented names."""
    found: list[str] = []
    why: list[str] = []
    for line in host.run(["dpkg", "--audit"]).out.splitlines():
        if not line.startswith(" "):
            why = [*why, line.strip()] if line.strip() else []
        elif _HARMLESS not in " ".join(why):
            found.append("{0} ({1})".format(line.split()[0], " ".join(why)[:120]))
    return found
