# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that storewarden runs on, as far as it can spoil a run. Looking changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One command: beside this Python interpreter, and as a shell would find it ("" = not)."""

    beside: str = ""
    on_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionCopy:
    """One `storewarden.ops` on this machine.

    `ours` = the one storewarden runs; `plain` = the one ansible-playbook would run by itself.
    """

    path: Path
    version: str
    ours: bool = False
    plain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """A file that was asked for: `key` is the setting that names it."""

    key: str
    path: Path
    exists: bool = False
    readable: bool = False
    private: bool = False  # nobody but its owner may read it
    size: int = 0  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """Everything the doctor judges.

    `packages` are installed Python distributions and their versions; `disk_free` is in bytes,
    on the file system that holds (or would hold) the state directory; `synchronised` is None
    when nobody on this machine knows; `ledger_kind` is "absent", "sqlite", "server" or "other".
    """

    python: str
    executable: str
    packages: Mapping[str, str] = field(default_factory=dict)
    programs: Mapping[str, Program] = field(default_factory=dict)
    collections: tuple[CollectionCopy, ...] = ()
    ssh: str = ""
    known_hosts: tuple[FileFacts, ...] = ()
    files: tuple[FileFacts, ...] = ()
    state_writable: bool = False
    disk_free: int = 0
    ledger_kind: str = "absent"
    now: datetime
    zone: str = ""
    synchronised: bool | None = None
    encoding: str = ""
    locale_problem: str = ""
    terminal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What to look at: the site's own paths. `secrets` maps a setting to the file it names;
    `ledger` is a text when it is the address of a server, which nobody asks here."""

    state_dir: Path
    ledger: Path | str
    known_hosts: Path | None = None
    private_key: Path | None = None
    secrets: Mapping[str, Path] = field(default_factory=dict)


class Machine(Protocol):
    """Looks at the machine."""

    def look(self, places: Places) -> MachineFacts:
        """The facts of this moment; never raises for what it finds."""
        ...
