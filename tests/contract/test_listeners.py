# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose program listens: asked of the kernel, with real sockets of real users."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from storewarden.adapters.listeners import listening_users

pytestmark = pytest.mark.skipif(
    not Path("/proc/net/tcp").exists(), reason="the system has no /proc/net/tcp"
)
_LISTEN = """
import os, socket, sys
line = socket.create_server(("127.0.0.1", 0))
print(line.getsockname()[1], flush=True)
sys.stdin.read()
"""


def test_my_own_program() -> None:
    with socket.create_server(("127.0.0.1", 0)) as line:
        port = line.getsockname()[1]
        assert listening_users(port) == {os.geteuid()}
    assert listening_users(port) == frozenset()


def test_a_connection_is_no_listener() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as line,
        socket.create_connection(line.getsockname()) as client,
    ):
        assert listening_users(client.getsockname()[1]) == frozenset()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_somebody_elses_program() -> None:
    program = [sys.executable, "-I", "-c", _LISTEN.replace("line =", "os.setuid(4321); line =")]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        assert listening_users(port) == {4321}
        assert other.stdin is not None
        other.stdin.close()


def test_without_tables_nobody_is_accused(tmp_path: Path) -> None:
    assert listening_users(80, (tmp_path / "none",)) == frozenset()
