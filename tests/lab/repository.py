# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own apt repository: real packages, really signed, served on the bridge.

Patching and releases are only tested when apt itself fetches, verifies and installs. The hosts
know no other source. It starts with ``storewarden-demo-pos`` 1.0 and 1.1, a service that
prints its version; tests add packages with :func:`add` and publish them.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.places import LabError
from tests.lab.processes import run

PACKAGE = "storewarden-demo-pos"
VERSIONS = ("1.0", "1.1")
SUITE = "lab"
PORT = 8480
# Any old date: the same version must come out as the same bytes.
_EPOCH = "1700000000"

_CONTROL = """\
Package: {package}
Version: {version}
Architecture: all
Maintainer: Storewarden lab <lab@storewarden.example>
Section: misc
Priority: optional
Description: a till's programme, as far as a test needs one
 A service that prints its version and stays.
"""
_UNIT = """\
[Unit]
Description=Demo till {version}

[Service]
ExecStart=/usr/lib/{package}/till
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""
_PROGRAM = """\
#!/bin/sh
if [ "$1" = --version ]; then
    echo '{version}'
    exit 0
fi
echo 'demo till {version} is open'
exec sleep infinity
"""
_AFTER_INSTALL = """\
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl enable --quiet {package}.service
    systemctl restart {package}.service
fi
"""
_BEFORE_REMOVE = """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --quiet --now {package}.service
fi
"""


def create(root: Path) -> None:
    """Make the key and a published repository with the demonstration package in `root`."""
    (root / "public").mkdir(parents=True)
    _make_key(root)
    for version in VERSIONS:
        add(root, build(root / "build", PACKAGE, version))
    publish(root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """What makes one version of a demonstration package other than the plain ones.

    ``fields`` are lines of its control file (``Depends``); ``program`` its service's program;
    ``after_install`` shell before its postinst does anything; ``files`` more files, by path.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    program: str = ""
    after_install: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


def build(folder: Path, package: str, version: str, flavour: Flavour | None = None) -> Path:
    """Build one version of a demonstration package; returns the .deb."""
    tree = folder / f"{package}_{version}"
    shutil.rmtree(tree, ignore_errors=True)
    for name, (text, mode) in _parts(package, version, flavour or Flavour()).items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    result = folder / f"{package}_{version}_all.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree), str(result)]
    run(["env", f"SOURCE_DATE_EPOCH={_EPOCH}", *command])
    return result


def _parts(package: str, version: str, flavour: Flavour) -> dict[str, tuple[str, int]]:
    words = {"package": package, "version": version}
    more = "".join(f"{name}: {value}\n" for name, value in flavour.fields.items())
    control = _CONTROL.format(**words).replace("Section:", f"{more}Section:")
    after = _AFTER_INSTALL.format(**words).replace("set -e\n", f"set -e\n{flavour.after_install}\n")
    return {
        "DEBIAN/control": (control, 0o644),
        "DEBIAN/postinst": (after, 0o755),
        "DEBIAN/prerm": (_BEFORE_REMOVE.format(**words), 0o755),
        f"lib/systemd/system/{package}.service": (_UNIT.format(**words), 0o644),
        f"usr/lib/{package}/till": (flavour.program or _PROGRAM.format(**words), 0o755),
        **{path.lstrip("/"): (text, 0o644) for path, text in flavour.files.items()},
    }


def withdraw(root: Path, package: str, version: str) -> None:
    """Take a version out of the pool; hosts miss it after :func:`publish`."""
    (root / "public" / "pool" / f"{package}_{version}_all.deb").unlink()


def add(root: Path, deb: Path) -> None:
    """Put a package into the pool; hosts see it after :func:`publish`."""
    pool = root / "public" / "pool"
    pool.mkdir(parents=True, exist_ok=True)
    shutil.copy(deb, pool / deb.name)
    (pool / deb.name).chmod(0o644)


def publish(root: Path) -> None:
    """Index the pool and sign the index, as a mirror would."""
    public = root / "public"
    binary = public / "dists" / SUITE / "main" / f"binary-{_architecture()}"
    binary.mkdir(parents=True, exist_ok=True)
    # The paths in the index are relative to the folder it is made in.
    listing = run(["env", "-C", public, "apt-ftparchive", "packages", "pool"]).stdout
    (binary / "Packages").write_text(listing)
    _sign(root, _release(public))


def _release(public: Path) -> Path:
    suite = public / "dists" / SUITE
    for name in ("Release", "InRelease", "Release.gpg"):
        (suite / name).unlink(missing_ok=True)
    fields = {
        "Origin": "storewarden-lab",
        "Suite": SUITE,
        "Codename": SUITE,
        "Components": "main",
        "Architectures": _architecture(),
    }
    options = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in fields.items()]
    text = run(["apt-ftparchive", *options, "release", suite]).stdout
    (suite / "Release").write_text(text)
    return suite / "Release"


def _architecture() -> str:
    return run(["dpkg", "--print-architecture"]).stdout.strip()


def _sign(root: Path, release: Path) -> None:
    signed = release.with_name("InRelease")
    _gpg(root, "--clearsign", "--output", str(signed), str(release))
    signed.chmod(0o644)


def _make_key(root: Path) -> None:
    home = root / "gnupg"
    home.mkdir(mode=0o700)
    owner = "Storewarden lab archive <lab@storewarden.example>"
    _gpg(root, "--passphrase", "", "--quick-generate-key", owner, "ed25519", "sign", "never")
    public_key(root).write_text(_gpg(root, "--armor", "--export"))


def public_key(root: Path) -> Path:
    """The archive key that hosts trust (armoured)."""
    return root / "public" / "archive-key.asc"


def _gpg(root: Path, *words: str) -> str:
    # gpg starts an agent for the key; with this option it ends when the key folder goes.
    home = str(root / "gnupg")
    return run(["gpg", "--homedir", home, "--batch", "--yes", "--quiet", *words]).stdout


def stop_agent(root: Path) -> None:
    """End the key agent gpg started for this repository."""
    if (root / "gnupg").exists():
        run(["gpgconf", "--homedir", root / "gnupg", "--kill", "all"], check=False)


def apt_source(address: str, port: int) -> str:
    """The hosts' only apt source (deb822)."""
    return (
        f"Types: deb\nURIs: http://{address}:{port}/\nSuites: {SUITE}\nComponents: main\n"
        "Signed-By: /etc/apt/keyrings/storewarden-lab.asc\n"
    )


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Requests are apt's business; its own log has them."""


def serve(root: Path, address: str) -> int:
    """Serve the repository on the bridge from a thread of this process; returns the port."""
    handler = functools.partial(_Quiet, directory=str(root / "public"))
    for port in (PORT, 0):
        try:
            server = http.server.ThreadingHTTPServer((address, port), handler)
        except OSError:
            # Somebody listens on all addresses with the usual port: any other will do.
            continue
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return int(server.server_address[1])
    raise LabError(f"the apt repository cannot listen on {address}")
