# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's collections for network devices, taken out of the ``ansible`` wheel.

The wheel comes by pip below ``.cache`` once; only what is needed is unpacked, and nothing is
installed. Its 80 other collections would take half a gigabyte.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

WHEEL = "ansible==14.5.0"
WANTED = ("ansible/netcommon", "ansible/utils", "cisco/ios")
_ROOT = Path(__file__).parents[2] / ".cache/collections"
_INSIDE = "ansible_collections"


def network_collections() -> Path | None:
    """A folder for ANSIBLE_COLLECTIONS_PATH: unpacked before, or now; None when it cannot be
    had."""
    place = _ROOT / "network"
    if all((place / _INSIDE / each).is_dir() for each in WANTED):
        return place
    wheel = _wheel()
    if wheel is None:
        return None
    prefixes = tuple(f"{_INSIDE}/{each}/" for each in WANTED)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(
            place, [each for each in archive.namelist() if each.startswith(prefixes)]
        )
    return place


def _wheel() -> Path | None:
    there = sorted(_ROOT.glob("ansible-*.whl"))
    if not there:
        _ROOT.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*argv, "--dest", str(_ROOT), WHEEL], check=False, timeout=600)
        there = sorted(_ROOT.glob("ansible-*.whl"))
    return there[-1] if there else None
