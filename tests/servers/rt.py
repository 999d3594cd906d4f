# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Request Tracker 5 on 127.0.0.1, from Debian's package, with a database of its own.

Both ``RT_SITE_CONFIG`` and ``RT_SITE_CONFIG_DIR`` point into the test's folder: with only the
first one, the installed instance's database would be the one that is filled.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.programs import answers, free_port, run, serving

HOME = Path("/usr/share/request-tracker5")
_SERVER = HOME / "libexec/rt-server"
_SETUP = Path("/usr/sbin/rt-setup-database-5")
_ETC = Path("/etc/request-tracker5/RT_SiteConfig.pm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rt:
    """A running RT with the queue ``Changes`` and its custom fields RunID, Risk and Hosts."""

    url: str
    token: str
    queue: str = "Changes"


def missing() -> str:
    """Why it cannot run here; empty when it can."""
    if not (_SERVER.exists() and _SETUP.exists()):
        return "Request Tracker 5 is not installed (tools/prepare-full)"
    return "" if os.access(_ETC, os.R_OK) else f"{_ETC} cannot be read (root can)"


@pytest.fixture(scope="session")
def rt_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rt]:
    """One for the whole session; tests use run ids of their own."""
    if why := missing():
        pytest.skip(why)
    with rt(tmp_path_factory.mktemp("rt")) as server:
        yield server


@contextmanager
def rt(folder: Path) -> Iterator[Rt]:
    """An RT with its data in ``folder``."""
    port = free_port()
    environment = _instance(folder, port)
    run([str(_SETUP), "--action", "init", "--skip-create"], environment, HOME, "RT's schema")
    seed = str(Path(__file__).with_name("rt_seed.pl"))
    printed = run(["perl", seed], environment, HOME, "RT's data")
    token = re.search(r"^token=(\S+)$", printed, re.MULTILINE)
    assert token is not None, printed
    argv = [
        str(_SERVER), "--host", "127.0.0.1", "--port", str(port),
        "--server", "Starlet", "--max-workers", "2", "--max-reqs-per-child", "100000",
    ]  # fmt: skip
    with serving(argv, folder, environment, HOME, lambda _written: answers(port) or None):
        yield Rt(url=f"http://127.0.0.1:{port}", token=token[1])


def _instance(folder: Path, port: int) -> Mapping[str, str]:
    for name in ("conf.d", "mason", "sessions", "var"):
        (folder / name).mkdir()
    # RT checks its token with bcrypt at every request, a quarter of a second at the usual cost.
    # The folders of compiled pages are plain variables, not settings; the installed instance's
    # would be filled with files of another owner.
    (folder / "site.pm").write_text(
        "Set($rtname, 'storewarden-tests'); Set($Organization, 'storewarden.invalid');\n"
        f"Set($DatabaseType, 'SQLite'); Set($DatabaseName, '{folder / 'rt.sqlite'}');\n"
        f"Set($WebDomain, '127.0.0.1'); Set($WebPort, {port}); Set($WebPath, '');\n"
        f"Set($WebBaseURL, 'http://127.0.0.1:{port}');\n"
        "Set($BcryptCost, 4); Set($MailCommand, 'testfile'); Set($NotifyActor, 0);\n"
        "Set($LogToSyslog, undef); Set($LogToSTDERR, 'warning');\n"
        f"$RT::VarPath = '{folder / 'var'}'; $RT::MasonDataDir = '{folder / 'mason'}';\n"
        f"$RT::MasonSessionDir = '{folder / 'sessions'}';\n1;\n"
    )
    return {
        "RT_SITE_CONFIG": str(folder / "site.pm"),
        "RT_SITE_CONFIG_DIR": str(folder / "conf.d"),
        "TMPDIR": str(folder / "var"),
    }
