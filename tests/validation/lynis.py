# SPDX-License-Identifier: GPL-3.0-or-later
"""Lynis on a lab host: unpacked beside the package database, so that it changes nothing there."""

from __future__ import annotations

import base64
import re
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.lab import mirror
from tests.lab.fleet import LabHost
from tests.scanner.datastream import download

_PACKAGE = "/var/tmp/lynis.deb"
_REPORT = "/var/log/lynis-report.dat"


@dataclass(frozen=True, slots=True, kw_only=True)
class LynisReport:
    """Its index (0 to 100), how many tests it made, and what it would have done."""

    version: str
    index: int
    tests: int
    warnings: int
    suggestions: int


def install(host: LabHost) -> None:
    """Put Debian's own Lynis on the host."""
    with tempfile.TemporaryDirectory(prefix="lynis-") as name:
        package = download("lynis", mirror.SUITE, Path(name)).read_bytes()
    host.run(
        # It has files below /lib, which is a link on Debian and must stay one.
        f"base64 -d >{_PACKAGE} && dpkg-deb --fsys-tarfile {_PACKAGE} | "
        "tar -x -C / --keep-directory-symlink --no-overwrite-dir",
        input=base64.b64encode(package).decode(),
        user="root",
    )


def look(host: LabHost) -> LynisReport:
    """One run; AssertionError when it wrote no index."""
    host.run(
        f"rm -f {_REPORT}; lynis audit system --quick --quiet --no-colors >/dev/null 2>&1; "
        f"test -s {_REPORT}",
        user="root",
        timeout=400,
    )
    return read_report(host.read(_REPORT))


def read_report(text: str) -> LynisReport:
    """The ``key=value`` lines of lynis-report.dat."""
    pairs = [line.partition("=")[::2] for line in text.splitlines() if "=" in line]
    values, counted = dict(pairs), Counter(key for key, _ in pairs)
    index = re.fullmatch(r"\d+", values.get("hardening_index", ""))
    assert index, "lynis-report.dat has no hardening_index"
    return LynisReport(
        version=values.get("lynis_version", "?"),
        index=int(index[0]),
        tests=len([one for one in values.get("tests_executed", "").split("|") if one]),
        warnings=counted["warning[]"],
        suggestions=counted["suggestion[]"],
    )
