# SPDX-License-Identifier: GPL-3.0-or-later
"""One OpenSCAP scan of one lab host: only the overlapping rules, at our numbers."""

from __future__ import annotations

import base64
import gzip
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.lab.fleet import LabHost
from tests.scanner.datastream import RULE, XCCDF, rules
from tests.scanner.tailoring import PROFILE, tailoring, whole_profile

_THERE = "/var/tmp/scan"


def prepare(host: LabHost, datastream: Path) -> None:
    """Put the data stream on the host, which has no way to fetch it by itself."""
    packed = base64.b64encode(gzip.compress(datastream.read_bytes(), 6)).decode()
    host.run(
        f"mkdir -p {_THERE} && base64 -d | gunzip > {_THERE}/ds.xml", input=packed, user="root"
    )


def scan(
    host: LabHost, datastream: Path, selected: Sequence[str], values: Mapping[str, str]
) -> dict[str, str]:
    """Rule id -> XCCDF result, for exactly the ``selected`` rules.

    Raises AssertionError when oscap evaluated another set than was selected: that is
    how a truncated tailoring file would show.
    """
    every = rules(datastream)
    found = _evaluated(host, tailoring(selected, values, every))
    assert sorted(found) == sorted(selected), set(selected) ^ set(found)
    return found


def scan_profile(host: LabHost, base: str, values: Mapping[str, str]) -> dict[str, str]:
    """Rule id -> XCCDF result, for all rules of a profile of the data stream."""
    return _evaluated(host, whole_profile(base, values))


def _evaluated(host: LabHost, tailored: str) -> dict[str, str]:
    host.write(f"{_THERE}/tailoring.xml", tailored)
    done = host.run(
        f"cd {_THERE} && rm -f results.xml && oscap xccdf eval --tailoring-file tailoring.xml "
        f"--profile {PROFILE} --results results.xml ds.xml >scan.log 2>&1; test -s results.xml",
        user="root", timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, host.run(f"tail -20 {_THERE}/scan.log", user="root").stdout
    return _results(host.read(f"{_THERE}/results.xml"))


def _results(text: str) -> dict[str, str]:
    found = {}
    for element in ET.fromstring(text).iter(f"{XCCDF}rule-result"):
        result = element.findtext(f"{XCCDF}result") or "unknown"
        if result != "notselected":
            found[element.get("idref", "").removeprefix(RULE)] = result
    return found
