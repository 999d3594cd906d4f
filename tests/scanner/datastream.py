# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian 12 data stream, which only Debian 13's ``ssg-debian`` carries.

It is fetched with apt into a folder of its own, with sources and lists of its
own: the machine's package configuration is neither read nor changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

XCCDF = "{http://checklists.nist.gov/xccdf/1.2}"
RULE = "xccdf_org.ssgproject.content_rule_"
VALUE = "xccdf_org.ssgproject.content_value_"
BENCHMARK = "xccdf_org.ssgproject.content_benchmark_DEBIAN-12"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_INSIDE = "usr/share/xml/scap/ssg/content/ssg-debian12-ds.xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the benchmark: its short id and the short ids of the values it reads."""

    id: str
    title: str
    values: tuple[str, ...]


def cached() -> Path:
    """The data stream, fetched once into the lab's cache."""
    cache = Path(os.environ.get("STOREWARDEN_LAB_CACHE", "/var/cache/storewarden-lab"))
    target = cache / "ssg-debian12-ds.xml"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        _fetch(target)
    return target


def _fetch(target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ssg-") as name:
        folder = Path(name)
        package = download("ssg-debian", "trixie", folder)
        subprocess.run(["dpkg-deb", "-x", package, folder / "x"], check=True)
        shutil.copy(folder / "x" / _INSIDE, target.with_suffix(".part"))
        target.with_suffix(".part").rename(target)


def download(package: str, suite: str, folder: Path) -> Path:
    """The package's file, fetched into ``folder`` (empty); RuntimeError with apt's last words."""
    mirror = os.environ.get("STOREWARDEN_LAB_MIRROR", "http://deb.debian.org/debian").split()[0]
    folder.chmod(0o755)  # apt drops to its own user to download
    options = _apt_options(folder, f"deb [signed-by={_KEYRING}] {mirror} {suite} main\n")
    _apt(["update", "-qq"], options, folder)
    _apt(["download", "-qq", package], options, folder)
    return next(folder.glob(f"{package}_*.deb"))


def _apt_options(folder: Path, sources: str) -> list[str]:
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "sources.list").write_text(sources)
    settings = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder,
        "Dir::Cache::archives": folder / "archives",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]


def _apt(words: list[str], options: list[str], folder: Path) -> None:
    done = subprocess.run(
        ["apt-get", *options, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"apt-get {' '.join(words)}: {done.stderr.strip()[-300:]}")


def rules(datastream: Path) -> dict[str, Rule]:
    """Every rule of the benchmark by its short id."""
    found = {}
    for element in ET.parse(datastream).getroot().iter(f"{XCCDF}Rule"):
        short = element.get("id", "").removeprefix(RULE)
        exports = element.iter(f"{XCCDF}check-export")
        values = tuple(sorted({e.get("value-id", "").removeprefix(VALUE) for e in exports}))
        title = element.findtext(f"{XCCDF}title") or ""
        found[short] = Rule(id=short, title=title, values=values)
    return found
