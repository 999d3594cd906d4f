# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host that gets its packages from a repository of the test's own.

The repository is the lab's kind (really signed, served on the bridge), but belongs to the test:
versions come, go and change under its hands while other tests need theirs to stay.
"""

from __future__ import annotations

import atexit
import base64
import functools
import io
import json
import shlex
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.restore_host import ROOT, RestoreHost, word
from tests.lab import repository
from tests.lab.fleet import LabHost
from tests.lab.repository import Flavour

APP = "sw-till"
POINT = "rp"
_PREFIX = "ansible_collections/storewarden/ops/"
_SOURCE = "/etc/apt/sources.list.d/storewarden-lab.sources"
_KEY = "/etc/apt/keyrings/storewarden-lab.asc"
_PARTS = ("restore", "packages", "payload")
_MAKING = threading.Lock()
_NOT_COPIED = shutil.ignore_patterns("S.*", "*.lock", ".#*")  # of a running gpg agent


@functools.cache
def archive() -> str:
    """Everything that runs on hosts, as the driver takes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in ("", "plugins/", "plugins/module_utils/"):
            archive.writestr(f"{_PREFIX}{package}__init__.py", "")
        for package in ("ansible_collections/", "ansible_collections/storewarden/"):
            archive.writestr(f"{package}__init__.py", "")
        for part in _PARTS:
            for path in sorted((ROOT / "plugins/module_utils" / part).glob("*.py")):
                archive.write(path, _PREFIX + str(path.relative_to(ROOT)))
    return base64.b64encode(buffer.getvalue()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Depot:
    """A repository: versions are put in and taken out, and seen at the next refresh."""

    root: Path
    address: str
    port: int

    def put(self, package: str, version: str, flavour: Flavour | None = None) -> None:
        repository.add(self.root, repository.build(self.root / "build", package, version, flavour))

    def take(self, package: str, version: str) -> None:
        repository.withdraw(self.root, package, version)

    def publish(self) -> None:
        repository.publish(self.root)

    def serve(self, host: LabHost) -> None:
        """The host's only source from now on."""
        host.write(_SOURCE, repository.apt_source(self.address, self.port))
        host.write(_KEY, repository.public_key(self.root).read_text())


@functools.cache
def _pattern() -> Path:
    """What all repositories of this process begin with: a key takes a while to make."""
    root = Path(tempfile.mkdtemp(prefix="sw-depot-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    try:
        repository.create(root)
    finally:
        repository.stop_agent(root)
    return root


@contextmanager
def depot(address: str) -> Iterator[Depot]:
    """A repository that is served on the bridge while the block runs."""
    # Not in pytest's folder: gpg's agent wants a short path for its socket.
    root = Path(tempfile.mkdtemp(prefix="sw-depot-"))
    try:
        with _MAKING:
            pattern = _pattern()
        shutil.copytree(pattern, root, ignore=_NOT_COPIED, dirs_exist_ok=True)
        root.chmod(0o755)
        yield Depot(root=root, address=address, port=repository.serve(root, address))
    finally:
        repository.stop_agent(root)
        shutil.rmtree(root, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageHost:
    """Package changes on one host, step by step, and the repository it gets them from."""

    till: RestoreHost
    depot: Depot

    def sh(self, script: str, *, check: bool = True) -> str:
        return self.till.sh(script, check=check)

    def steps(self, *steps: dict[str, Any]) -> list[dict[str, Any]]:
        """The answers to several steps in one visit; see the driver."""
        driver = (Path(__file__).parent / "package_driver.py").read_text(encoding="utf-8")
        work = {"archive": archive(), "steps": steps}
        done = self.till.host.run(
            f"python3 -c {shlex.quote(driver)}", user="root", input=json.dumps(work), timeout=900.0
        )
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def look(self, wish: dict[str, Any], lock: dict[str, Any] | None = None, **more: Any) -> Any:
        """The fact of the preflight, or ``{refused, zh}``."""
        return self.steps({"preflight": {"wish": wish, "lock": lock or {}, **more}})[0]

    def begin(self, *installed: str) -> None:
        """The depot becomes the host's source, and these packages are installed from it."""
        self.depot.publish()
        self.depot.serve(self.till.host)
        words = " ".join(installed)
        self.sh(f"apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq {words}")

    def change(self, fact: dict[str, Any], wish: dict[str, Any], *then: dict[str, Any]) -> Any:
        """Captured, armed and applied, then more steps; the job and what these steps said."""
        assert "lock" in fact, fact
        lock = fact["lock"]
        said = self.steps(
            word("captured", POINT, items=fact["items"]),
            word("armed", POINT),
            {"job": {"wish": wish, "lock": lock, "point": POINT, "await": 600.0}},
            *then,
        )
        wrong = [one["text"] for one in said[:2] if one["failed"]]
        assert not wrong, wrong
        return said[2:]

    def state(self) -> str:
        """The tests' packages with version and state, holds, the till's service and its files."""
        return self.sh(
            "dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\\n' 'sw-*' 2>/dev/null;"
            f"apt-mark showhold; systemctl is-active {APP}; md5sum /usr/lib/{APP}/till;"
            f"cat /etc/{APP}.conf 2>/dev/null; systemctl --failed --no-legend; true"
        )
