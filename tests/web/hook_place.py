# SPDX-License-Identifier: GPL-3.0-or-later
"""A real service with a sender of each kind, each known in another way, and an inbox in memory."""

from __future__ import annotations

import hashlib
import hmac
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx

from storewarden.testing.alerts import MemoryInbox
from storewarden.web import create_app
from storewarden.web.server import Server
from storewarden.wiring import Site
from storewarden.wiring.alerts import alert_receiver
from tests.e2e.change_service import Duties, lay_out, site_in

TOKEN, OLD_TOKEN = "alertmanager-token-0123456789", "alertmanager-token-of-last-year"
PASSWORD, KEY, OWN_KEY = "zabbix-pa55word-0123456789", "grafana-key-0123456789", "generic-key-42"
SECRETS = (TOKEN, OLD_TOKEN, PASSWORD, KEY, OWN_KEY)
GRAFANAS, GRAFANAS_TIME = "X-Grafana-Alerting-Signature", "X-Grafana-Alerting-Timestamp"
OWN, OWN_TIME = "X-Own-Signature", "X-Own-Time"

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here speaks TLS, and to read all authorities anew takes most of a request's time."""

SETTINGS = f"""\
site: {{timezone: Europe/Berlin}}
healing:
  sources:
    alertmanager:
      kind: alertmanager
      auth: {{type: bearer, secrets: [file:token, file:old-token]}}
      poll: {{url: "http://127.0.0.1:1"}}
    zabbix:
      kind: zabbix
      auth: {{type: basic, user: zabbix, secrets: [file:password]}}
    grafana:
      kind: grafana
      auth: {{type: hmac, secrets: [file:key], timestamp_header: {GRAFANAS_TIME}}}
    own:
      kind: generic
      auth: {{type: hmac, secrets: [file:own-key], header: {OWN}, timestamp_header: {OWN_TIME}}}
      mapping:
        alerts: events
        name: check
        starts_at: since
        status: {{word: state, firing: [DOWN], resolved: [UP]}}
        labels: {{host: host}}
"""


def lay_out_hooks(folder: Path) -> Path:
    """A site with its secrets in files."""
    for name, secret in (
        ("token", TOKEN), ("old-token", OLD_TOKEN), ("password", PASSWORD), ("key", KEY),
        ("own-key", OWN_KEY),
    ):  # fmt: skip
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(f"{secret}\n")
    return lay_out(folder, SETTINGS)


@dataclass(slots=True, kw_only=True)
class Hooked:
    """The running service."""

    site: Site
    url: str
    inbox: MemoryInbox
    woken: list[str] = field(default_factory=list)

    def post(
        self, source: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """One request of a sender."""
        with self._client() as http:
            return http.post(f"/hooks/{source}", content=body, headers=dict(headers or {}))

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, trust_env=False, timeout=300, verify=_NO_TLS)

    def metric(self, line: str) -> float:
        """One number of /metrics; 0 when it is not there."""
        with self._client() as http:
            page = http.get("/metrics").text
        found = [each.rpartition(" ")[2] for each in page.splitlines() if each.startswith(line)]
        return float(found[0]) if found else 0.0


def bearer(token: str = TOKEN) -> dict[str, str]:
    """As Alertmanager is known."""
    return {"Authorization": f"Bearer {token}"}


def signed(
    body: bytes,
    key: str = KEY,
    *,
    at: float | None = None,
    names: tuple[str, str] = (GRAFANAS, GRAFANAS_TIME),
) -> dict[str, str]:
    """As Grafana signs: bare hexadecimal digits over ``timestamp:body``."""
    stamp = str(int(time.time() if at is None else at))
    made = hmac.new(key.encode(), stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {names[0]: made, names[1]: stamp}


@contextmanager
def hooked(folder: Path, inbox: MemoryInbox | None = None) -> Iterator[Hooked]:
    """The service of the site in ``folder``, until the block ends."""
    kept, woken = inbox or MemoryInbox(), list[str]()
    with site_in(folder) as site:
        server = Server("127.0.0.1", 0)
        server.start(create_app(site, Duties(), alert_receiver(site, woken.append, kept)))
        try:
            yield Hooked(site=site, url=server.url, inbox=kept, woken=woken)
        finally:
            server.stop(timedelta(minutes=5))
