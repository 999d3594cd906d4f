# SPDX-License-Identifier: GPL-3.0-or-later
"""A site that backs up its own record to two places beside its repository, on this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.audit_cli import Place, until
from tests.servers.backup_tools import search_path

PASSWORD = "a-secret-of-the-record-815"
_POLICIES = """
policies:
  - id: record
    tier: server-config
    method: ledger
    schedule: [{kind: full, every: day}]
    window: "%s"
    splay: 1m
    copies: [{location: store}, {location: second}, {location: third}]
    verify: {read: 2m}
    drill: {every: 30d, sample: 100%%}
"""


@dataclass(frozen=True, slots=True)
class OwnPlace(Place):
    """A site that backs up its own record; restic and rclone are in PATH."""

    path: str = field(default="", kw_only=True)
    copies: Path = field(default=Path(), kw_only=True)

    def environment(self) -> dict[str, str]:
        bare = super(OwnPlace, self).environment()
        return {**bare, "PATH": f"{self.path}:{bare['PATH']}"}

    def told(self, *words: str, code: int = 0) -> Any:
        """What a command says for programs."""
        done = self.run(*words, "--json")
        assert done.code == code, done.out + done.err
        return json.loads(done.out)

    def spoil(self, place: str) -> None:
        """One byte of the biggest pack of a copy is another one."""
        packs = (self.copies / place).rglob("data/*/*")
        victim = max(packs, key=lambda each: each.stat().st_size)
        victim.chmod(0o600)
        with victim.open("r+b") as raw:
            raw.seek(100)
            byte = raw.read(1)
            raw.seek(100)
            raw.write(bytes([byte[0] ^ 1]))


def other_disk(folder: Path) -> Path:
    """An empty folder with two more in it, on another file system: a copy has to lie on one."""
    here = folder.stat().st_dev
    for above in ("/var/tmp", "/dev/shm", "/run/lock"):
        if Path(above).is_dir() and Path(above).stat().st_dev != here:
            found = Path(tempfile.mkdtemp(prefix="sw-copies-", dir=above))
            for name in ("second", "third"):
                (found / name).mkdir()
            return found
    pytest.skip("there is no second file system here")


def laid_out(folder: Path, **sections: object) -> OwnPlace:
    """A site whose record is copied to two more places, in a window that is open; skips without the
    programs, or a second file system."""
    tools = search_path(["restic", "rclone"])
    if tools is None:
        pytest.skip("restic or rclone cannot be had here")
    copies = other_disk(folder)
    found = OwnPlace(folder, path=tools, copies=copies)
    found.inventory(till="ansible_host: 192.0.2.1")
    now = datetime.now(UTC)
    window = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=4):%H:%M}"
    found.write("policies.yml", _POLICIES % window)
    found.write("password", PASSWORD + "\n").chmod(0o600)
    backup = {
        "policies": "policies.yml",
        "locations": {
            "store": {"medium": "ssd", "credentials": "store", "point": [31.23, 121.47]},
            "second": _beside(copies / "second", "usb", [31.23, 121.47]),
            "third": _beside(copies / "third", "nas", [39.90, 116.40]),
        },
        "secrets": {"repository": f"file:{folder / 'password'}"},
    }
    whole = {"inventory": ["hosts.yml"], "site": {"timezone": "UTC"}, "backup": backup, **sections}
    found.settings(yaml.safe_dump(whole))
    return found


def _beside(folder: Path, medium: str, point: list[float]) -> dict[str, object]:
    words = {"medium": medium, "credentials": medium, "point": point}
    return {"kind": "path", "folder": str(folder), "mounted": False, **words}


def taken_down(place: OwnPlace) -> None:
    """Copies go; and the password must not be found in what the site keeps, as soon as its jobs
    have ended."""
    until(lambda: not place.children())
    shutil.rmtree(place.copies)
    shown = subprocess.run(
        ["grep", "-rlF", PASSWORD, str(place.folder / "state")], capture_output=True, check=False
    )
    assert shown.stdout == b"", shown.stdout
