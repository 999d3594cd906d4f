# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishers who sign files: minisign's formats by another library, OpenPGP by gpg itself."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@dataclass(frozen=True, slots=True)
class Minisigner:
    """Writes what `minisign -S` writes."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    id: bytes = b"\x01\x02\x03\x04\x05\x06\x07\x08"

    @property
    def line(self) -> str:
        """The public key as people put it into a configuration."""
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return base64.b64encode(b"Ed" + self.id + raw).decode()

    def sign(
        self, data: bytes, *, time: int = 1_700_000_000, legacy: bool = False, comment: str = ""
    ) -> bytes:
        """A whole signature file."""
        message = data if legacy else hashlib.blake2b(data).digest()
        value = self.key.sign(message)
        trusted = (comment or f"timestamp:{time}\tfile:library").encode()
        first = base64.b64encode((b"Ed" if legacy else b"ED") + self.id + value)
        whole = base64.b64encode(self.key.sign(value + trusted))
        lines = [b"untrusted comment: by a test", first, b"trusted comment: " + trusted, whole]
        return b"\n".join(lines) + b"\n"


@dataclass(frozen=True, slots=True)
class Gpg:
    """A publisher with a home of their own; remove nothing but this folder afterwards."""

    home: Path

    def __call__(self, *words: str, text: str = "") -> bytes:
        done = subprocess.run(
            [
                *("gpg", "--batch", "--quiet", "--pinentry-mode", "loopback"),
                *("--passphrase", "", *words),
            ],
            input=text.encode(), capture_output=True, check=False,
            env={**os.environ, "GNUPGHOME": str(self.home), "LC_ALL": "C"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def key(self, name: str, *more: str) -> str:
        """A new key's user id."""
        self.home.mkdir(mode=0o700, exist_ok=True)
        user = f"{name} <{name}@example.org>"
        self(*more, "--quick-gen-key", user, "ed25519", "sign", "never")
        return user

    def public(self, user: str, *, armor: bool = True) -> bytes:
        return self(*(["--armor"] if armor else []), "--export", user)

    def sign(self, path: Path, user: str, *more: str) -> bytes:
        """A detached signature of the file."""
        return self(*more, "--local-user", user, "--output", "-", "--detach-sign", str(path))

    def stop(self) -> None:
        """The agent that gpg left behind for this home."""
        subprocess.run(
            ["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=False, timeout=20
        )
