# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Redmine on 127.0.0.1, from Debian's package, with a database of its own.

Debian's Redmine looks for an instance's files in ``instances/NAME`` below its folder, and
NAME may lead out of it: so the instance lies in the test's folder, and nothing of an
installed one is read, written or served.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.programs import run, serving

HOME = Path("/usr/share/redmine")
_GEMS = Path("/etc/redmine/default/database.yml")  # its Gemfile asks there for the adapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Redmine:
    """A running Redmine and the ids that settings need: project, tracker, fields, statuses."""

    url: str
    key: str
    project: str
    tracker: int
    fields: Mapping[str, int]
    closed: int
    rejected: int


def missing() -> str:
    """Why it cannot run here; empty when it can."""
    if not (HOME / "config.ru").exists():
        return "Redmine is not installed (tools/prepare-full)"
    return "" if os.access(_GEMS, os.R_OK) else f"{_GEMS} cannot be read (root can)"


@pytest.fixture(scope="session")
def redmine_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redmine]:
    """One for the whole session; tests use run ids of their own."""
    if why := missing():
        pytest.skip(why)
    with redmine(tmp_path_factory.mktemp("redmine")) as server:
        yield server


@contextmanager
def redmine(folder: Path) -> Iterator[Redmine]:
    """A Redmine with its data in ``folder``."""
    environment = _instance(folder)
    seed = str(Path(__file__).with_name("redmine_seed.rb"))
    printed = run(["bin/rails", "runner", seed], environment, HOME, "Redmine's data")
    known = json.loads(printed.strip().splitlines()[-1])
    argv = ["puma", "-e", "production", "-t", "1:4", "-b", "tcp://127.0.0.1:0", "config.ru"]
    with serving(argv, folder, environment, HOME, _address) as address:
        yield Redmine(url=address[1], **known)


def _address(written: str) -> re.Match[str] | None:
    """Puma takes its port from the system and says which."""
    return re.search(r"Listening on (http://127\.0\.0\.1:\d+)", written)


def _instance(folder: Path) -> Mapping[str, str]:
    for name in ("config", "files", "log", "tmp"):
        (folder / name).mkdir()
    (folder / "config/database.yml").write_text(
        "production:\n  adapter: sqlite3\n  timeout: 20000\n"
        f"  database: {folder / 'redmine.sqlite'}\n"
    )
    (folder / "config/secret_key.txt").write_text(secrets.token_hex(32))
    # More steps up than there are folders, because the path is read with and without links.
    above = "../" * 8
    return {"REDMINE_INSTANCE": f"{above}{folder.relative_to('/')}", "RAILS_ENV": "production"}
