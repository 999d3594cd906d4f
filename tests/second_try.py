# SPDX-License-Identifier: GPL-3.0-or-later
"""In ``make test``, tests with real programs, hosts and clocks get a second try.

A whole run starts thousands of processes on machines of any speed; one that came too late is no
reason to throw an hour away. Pure tests get none. The summary at the end lists every test that
needed its second try as RERUN with what went wrong at its first, and such a test is a bug:
somebody has to look at it.
"""

from __future__ import annotations

import os

import pytest


def wanted() -> bool:
    """Whether this run gives second tries."""
    return bool(os.environ.get("STOREWARDEN_SECOND_TRY"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not wanted():
        return
    for item in items:
        if any(item.get_closest_marker(name) for name in ("slow", "lab")):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What went wrong at first: the second try may fail for another reason, or not at all."""
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.write_sep("_", f"first try of {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)
