# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Debian packages come from: the mirror this machine itself uses, when it is a Debian.

A machine behind a company's mirror or proxy often reaches nothing else. So the sources and the
fetch settings of its own apt are used; only a machine that is no Debian gets the public mirror.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab.processes import run
from tests.lab.tools import KEYRING

SUITE = "bookworm"
PUBLIC = "http://deb.debian.org/debian"
_SETTINGS = (
    "Acquire::http::Proxy",
    "Acquire::https::Proxy",
    "Acquire::https::CAInfo",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One place of packages as apt of this machine knows it."""

    uri: str
    suites: tuple[str, ...]
    signed_by: str = ""


def lines() -> list[str]:
    """One-line apt sources for the image: the release, its updates, and security if known."""
    chosen = os.environ.get("STOREWARDEN_LAB_MIRROR", "").split()
    if chosen:
        return _render(chosen[0], chosen[1] if len(chosen) > 1 else "", str(KEYRING))
    codename = _codename_if_debian()
    if not codename:
        return _render(PUBLIC, f"{PUBLIC}-security", str(KEYRING))
    sources = list(own_sources(Path("/etc/apt")))
    main = _find(sources, codename)
    security = _find(sources, f"{codename}-security")
    return _render(
        main.uri if main else PUBLIC,
        security.uri if security else "",
        (main.signed_by if main else "") or str(KEYRING),
    )


def fetch_options() -> list[str]:
    """This machine's proxy and date settings of apt, as ``Name "value"`` (mmdebstrap --aptopt)."""
    found = []
    for name in _SETTINGS:
        value = run(["apt-config", "shell", "V", name], check=False).stdout.strip()
        if value.startswith("V="):
            found.append(f'{name} "{value[2:].strip(chr(39))}"')
    return found


def own_sources(folder: Path) -> Iterator[Source]:
    """Every enabled binary source below an /etc/apt, in either format."""
    for path in [folder / "sources.list", *sorted(folder.glob("sources.list.d/*.list"))]:
        if path.is_file():
            yield from _one_line_sources(path.read_text())
    for path in sorted(folder.glob("sources.list.d/*.sources")):
        yield from _deb822_sources(path.read_text())


def _one_line_sources(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        match = re.match(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)", line.strip())
        if match:
            signed = re.search(r"signed-by=(/\S+)", match[1] or "")
            yield Source(
                uri=_resolve(match[2]), suites=(match[3],), signed_by=signed[1] if signed else ""
            )


def _deb822_sources(text: str) -> Iterator[Source]:
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", kept):
        pairs = (line.split(":", 1) for line in stanza.splitlines() if re.match(r"[\w-]+:", line))
        fields = {key.lower(): value.strip() for key, value in pairs}
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes") != "no":
            signed = fields.get("signed-by", "")
            for uri in fields.get("uris", "").split():
                yield Source(
                    uri=_resolve(uri),
                    suites=tuple(fields.get("suites", "").split()),
                    signed_by=signed if signed.startswith("/") else "",
                )


def _resolve(uri: str) -> str:
    """The first mirror of a ``mirror+file:`` list (cloud images use one), else the URI itself."""
    if uri.startswith("mirror+file:"):
        listing = Path("/" + uri.removeprefix("mirror+file:").lstrip("/"))
        if listing.is_file() and (words := listing.read_text().split()):
            return words[0].rstrip("/")
    return uri.rstrip("/")


def _find(sources: list[Source], suite: str) -> Source | None:
    return next((source for source in sources if suite in source.suites), None)


def _codename_if_debian() -> str:
    text = Path("/etc/os-release").read_text()
    fields = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', text, re.MULTILINE))
    return fields.get("VERSION_CODENAME", "") if fields.get("ID") == "debian" else ""


def _render(main: str, security: str, key: str) -> list[str]:
    option = f"deb [signed-by={key}]"
    found = [f"{option} {main} {SUITE} main", f"{option} {main} {SUITE}-updates main"]
    if security:
        found.append(f"{option} {security} {SUITE}-security main")
    return found
