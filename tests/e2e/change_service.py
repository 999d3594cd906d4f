# SPDX-License-Identifier: GPL-3.0-or-later
"""A real service over a real site: uvicorn on a free port, SQLite, people and tokens in files."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import uvicorn

from storewarden.adapters.engine.lock import ControllerLock
from storewarden.config import load_config
from storewarden.flows.person_tokens import issue_token
from storewarden.web import create_app
from storewarden.wiring import Site, open_site
from storewarden.wiring.people import token_parts

PEOPLE = """\
people:
  op.one: {name: Operator One, roles: [cashier_support]}
  head: {name: Head of Department, roles: [department_head]}
  lead: {name: 张伟, roles: [operations_lead, it], language: zh}
  sec: {name: Security Lead, roles: [security_lead]}
  biz: {name: Business, roles: [business]}
"""
SETTINGS = """\
state_dir: {state}
inventory: [hosts.yml]
people: {{file: people.yml}}
"""
HOSTS = """\
all:
  vars: {sw_region: east, sw_role: pos, sw_tier: ordinary, sw_tz: Asia/Shanghai}
  children:
    store_000101:
      vars: {sw_store: "000101"}
      hosts:
        pos01.000101: {sw_ci: POS-0101-01}
        pos02.000101: {sw_ci: POS-0101-02}
    store_000102:
      vars: {sw_store: "000102"}
      hosts:
        pos01.000102: {sw_ci: POS-0102-01}
"""

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here speaks TLS, and to read all authorities anew takes most of a request's time."""


@dataclass(slots=True)
class Duties:
    """The controller's tale, as a test tells it; ``woken`` are the duties that were to tick."""

    told: dict[str, Mapping[str, object]] = field(default_factory=dict)
    woken: list[str] = field(default_factory=list)

    def duties(self) -> Mapping[str, Mapping[str, object]]:
        """Per duty what a test says."""
        return self.told

    def wake(self, name: str) -> None:
        """Remember it."""
        self.woken.append(name)


def lay_out(folder: Path, more: str = "") -> Path:
    """A site in ``folder``, with ``more`` in its settings."""
    (folder / "storewarden.yml").write_text(SETTINGS.format(state=folder / "state") + more)
    (folder / "people.yml").write_text(PEOPLE)
    (folder / "people.yml").chmod(0o644)
    (folder / "hosts.yml").write_text(HOSTS)
    return folder


def site_in(folder: Path) -> Site:
    """The site of ``folder``, open."""
    return open_site(load_config(None, {"HOME": str(folder)}, folder))


def token_for(site: Site, person: str, lifetime: timedelta | None = None) -> str:
    """A new token, as ``person token`` makes it."""
    handed: list[str] = []
    issue_token(token_parts(site, "test"), person, lifetime, handed.append)
    return handed[0]


@dataclass(slots=True, kw_only=True)
class Service:
    """A running service; ``site`` is its own."""

    folder: Path
    site: Site
    url: str
    duties: Duties
    tokens: dict[str, str] = field(default_factory=dict, repr=False)

    def token(self, person: str) -> str:
        """A person's token, made with the first question."""
        if person not in self.tokens:
            self.tokens[person] = token_for(self.site, person)
        return self.tokens[person]

    def client(self, person: str = "") -> httpx.Client:
        """HTTP as ``person``, or as nobody."""
        headers = {"Authorization": f"Bearer {self.token(person)}"} if person else {}
        return httpx.Client(
            base_url=self.url, headers=headers, trust_env=False, timeout=300, verify=_NO_TLS
        )

    def post(self, person: str, path: str, body: object, key: str = "") -> httpx.Response:
        """``POST /api/v1<path>`` as ``person``, with a key of its own unless one is given."""
        headers = {"Idempotency-Key": key or f"k{time.monotonic_ns()}"}
        with self.client(person) as http:
            return http.post(f"/api/v1{path}", json=body, headers=headers)

    def token_file(self, person: str) -> Path:
        """A person's token in a file, as the command line takes it."""
        path = self.folder / f"{person}.token"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(self.token(person) + "\n")
        return path


@contextmanager
def serving(folder: Path) -> Iterator[Service]:
    """The service of the site in ``folder``, until the block ends."""
    duties = Duties()
    with site_in(folder) as site, ControllerLock(site.config.state_dir) as lock:
        config = uvicorn.Config(
            create_app(site, duties),
            host="127.0.0.1",
            port=0,
            log_level="info",
            log_config=None,
            access_log=False,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
            assert thread.is_alive()
        port = server.servers[0].sockets[0].getsockname()[1]
        lock.announce(f"http://127.0.0.1:{port}")
        try:
            url = f"http://127.0.0.1:{port}"
            yield Service(folder=folder, site=site, url=url, duties=duties)
        finally:
            server.should_exit = True
            thread.join(300)
            assert not thread.is_alive()


def standard(**more: object) -> dict[str, object]:
    """A body that opens a change everybody would approve."""
    body: dict[str, object] = {
        "summary": "New price service",
        "kind": "standard",
        "risk": "low",
        "reason": "Prices are wrong after midnight",
        "hosts": ["store_000101"],
        "operation": "service-recovery",  # allowed at any hour of the test's day
        "plan": "1. stop 2. install 3. start",
        "rollback": {"trigger": "no sale in 5 min", "steps": "install 1.4", "owner": "op.one"},
    }
    return body | more
