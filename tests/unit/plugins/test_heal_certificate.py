# SPDX-License-Identifier: GPL-3.0-or-later
"""The action certificate: what openssl says, and which hook may be run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.certificate import hook_problem
from ansible_collections.storewarden.ops.plugins.module_utils.heal.x509_facts import parsed
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

SAID = """notAfter=Nov 23 12:00:00 2026 GMT
subject=CN=Shop.example.com,O=Stores
sha256 Fingerprint=ab:CD:01
"""
OTHERS = """X509v3 Subject Alternative Name:
    DNS:b.example.com, DNS:A.example.com, IP Address:10.0.0.1
"""


def test_what_openssl_says_is_read() -> None:
    found = parsed(SAID, OTHERS)
    assert found["not_after"] == 1795435200
    assert found["names"] == ["10.0.0.1", "a.example.com", "b.example.com"]
    assert found["fingerprint"] == "AB:CD:01"


def test_without_other_names_it_goes_by_its_common_name() -> None:
    assert parsed(SAID, "No extensions in certificate\n")["names"] == ["shop.example.com"]


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    """Folders as on a host, the hook ``store`` in them; they belong to root when root tests."""
    if os.geteuid() != 0:
        pytest.skip("whose a hook is can only be tried by root")
    folder = tmp_path / "etc/storewarden/renew.d"
    folder.mkdir(parents=True)
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)
    (folder / "store").write_text("#!/bin/sh\n")
    (folder / "store").chmod(0o755)
    return folder


def problem(hooks: Path, name: str = "store") -> str:
    return hook_problem(Host(str(hooks.parents[2])), name)


def test_a_hook_of_roots_may_be_run(hooks: Path) -> None:
    assert problem(hooks) == ""


@pytest.mark.parametrize("name", ["../passwd", "a/b", "", ".hidden", "-x", "x y", "store\n"])
def test_a_hook_is_one_name(hooks: Path, name: str) -> None:
    assert "is no name of a hook" in problem(hooks, name)


def test_a_hook_that_others_could_have_written_is_refused(hooks: Path) -> None:
    (hooks / "store").chmod(0o775)
    assert problem(hooks) == "/etc/storewarden/renew.d/store is not root's alone to write"
    (hooks / "store").chmod(0o755)
    os.chown(hooks / "store", 1000, 0)
    assert "is not root's alone" in problem(hooks)


def test_so_is_one_in_a_folder_of_somebody_else(hooks: Path) -> None:
    hooks.parent.chmod(0o777)
    assert problem(hooks) == "/etc/storewarden is not root's alone to write"


def test_a_link_a_folder_and_a_text_are_no_hooks(hooks: Path) -> None:
    (hooks / "link").symlink_to("/bin/true")
    assert problem(hooks, "link") == "/etc/storewarden/renew.d/link is a link"
    (hooks / "folder").mkdir(mode=0o755)
    assert "is no program" in problem(hooks, "folder")
    (hooks / "store").chmod(0o644)
    assert "is no program" in problem(hooks)
    assert "No such file" in problem(hooks, "gone")
