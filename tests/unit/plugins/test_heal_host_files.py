# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the host are written whole, as they were before, and only where root alone writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError
from ansible_collections.storewarden.ops.plugins.module_utils.heal.host_files import put
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "etc").mkdir(mode=0o755)
    return Host(str(tmp_path))


def test_a_link_stays_one_and_its_file_is_written(host: Host, tmp_path: Path) -> None:
    for name in ("sites-available", "sites-enabled"):
        (tmp_path / "etc" / name).mkdir()
    real = tmp_path / "etc/sites-available/shop"
    real.write_text("old\n")
    real.chmod(0o600)
    link = tmp_path / "etc/sites-enabled/shop"
    link.symlink_to("../sites-available/shop")
    put(host, "/etc/sites-enabled/shop", "new\n")
    assert link.is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("new\n", 0o600)
    assert sorted(one.name for one in real.parent.iterdir()) == ["shop"]


def test_labels_stay(host: Host, tmp_path: Path) -> None:
    own = tmp_path / "etc/own.conf"
    own.write_text("old\n")
    try:
        os.setxattr(own, "user.label", b"net_conf_t")
    except OSError:
        pytest.skip("this filesystem knows no labels of users")
    put(host, "/etc/own.conf", "new\n")
    assert (own.read_text(), os.getxattr(own, "user.label")) == ("new\n", b"net_conf_t")


def test_a_folder_of_somebody_else_is_refused(host: Host, tmp_path: Path) -> None:
    """Its owner could lead the text anywhere while it is written."""
    folder = tmp_path / "etc/deploy"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(HealError, match="others than root may write to the folder deploy"):
        put(host, "/etc/deploy/shop.conf", "new\n")
    below = folder / "sites"
    below.mkdir(mode=0o755)
    with pytest.raises(HealError, match="others than root may write to the folder deploy"):
        put(host, "/etc/deploy/sites/shop.conf", "new\n")
    assert list(below.iterdir()) == []


def test_a_link_that_leads_out_of_the_host_is_refused(host: Host, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_text("old\n")
    (tmp_path / "etc/shop.conf").symlink_to(outside)
    with pytest.raises(HealError, match="leads out of the host's files"):
        put(host, "/etc/shop.conf", "new\n")
    assert outside.read_text() == "old\n"


def test_what_is_no_plain_file_is_left_alone(host: Host, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "etc/pipe")
    with pytest.raises(HealError, match="it is no plain file"):
        put(host, "/etc/pipe", "new\n")


def test_folders_that_are_missing_are_made(host: Host, tmp_path: Path) -> None:
    put(host, "/etc/a/b/c.conf", "new\n", 0o600)
    made = tmp_path / "etc/a/b/c.conf"
    assert (made.read_text(), made.stat().st_mode & 0o777) == ("new\n", 0o600)
