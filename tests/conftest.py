# SPDX-License-Identifier: GPL-3.0-or-later
"""What every test may use: the lab's fixtures, and a home of its own.

Tests never see the operator's Ansible configuration or collections: a stale
copy of our collection under the home directory would win over the checkout.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import amount, order, scratch

pytest_plugins = ["tests.lab.fixtures", "tests.second_try", "tests.servers.roundup"]

_ROOT = Path(__file__).resolve().parent.parent

amount.choose()
# A shell that starts the tests in its background has them ignore Ctrl-C, and all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take the longest come first."""
    items.sort(key=lambda item: order.place(item.path))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    """Modules and tests stay to the end: nobody need look through them for garbage ever again.

    There are so many of them that each look takes a fifth of a second.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()  # what is garbage already is found, and told, as ever
        gc.freeze()


_MEMORY = pytest.StashKey[Path | None]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Workers get a part of what the first process has."""
    if not config.option.basetemp:
        config.stash[_MEMORY] = folder = scratch.memory()
        config.option.basetemp = str(folder) if folder else None


def pytest_unconfigure(config: pytest.Config) -> None:
    """In the process that made it, after its workers have ended."""
    scratch.leave(config.stash.get(_MEMORY, None))


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The checkout under test."""
    return _ROOT


@pytest.fixture(autouse=True, scope="session")
def _own_ansible_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["ANSIBLE_HOME"] = str(tmp_path_factory.mktemp("ansible-home"))
    os.environ["ANSIBLE_CONFIG"] = str(_ROOT / "ansible.cfg")
    for name in ("ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_STDOUT_CALLBACK", "STOREWARDEN_CONFIG"):
        os.environ.pop(name, None)
