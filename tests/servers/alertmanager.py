# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Alertmanager on 127.0.0.1, from Debian's package, and alerts posted to it.

The package is downloaded and unpacked below ``.cache`` once (apt checks its signature); nothing is
installed. Debian's Alertmanager looks for its templates in /usr/share and nowhere else, so an
unpacked one sees its own files laid over that folder, which nobody but itself does.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.servers.packages import CACHE, unpacked
from tests.servers.programs import free_port, serving

_NAME = "prometheus-alertmanager"
_OVERLAID = 'mount -t overlay overlay -o "lowerdir=$1:/usr/share" /usr/share && shift && exec "$@"'


def program() -> Path | None:
    """Installed, unpacked before, or downloaded now; None when none of it can be had."""
    if installed := shutil.which(_NAME):
        return Path(installed)
    folder = CACHE / "alertmanager"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "alertmanager.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = folder / "usr/bin" / _NAME
        if not found.exists() and not unpacked(_NAME, folder):
            return None
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Alertmanager:
    """A running server."""

    url: str

    def post(self, labels: dict[str, str], began: datetime, ended: datetime | None = None) -> None:
        """One alert, as Prometheus sends it."""
        told = {
            "labels": labels,
            "annotations": {"summary": "收银台不应答"},
            "startsAt": began.isoformat(),
            "generatorURL": "http://prometheus.example/graph?g0.expr=up+%3D%3D+0",
            **({"endsAt": ended.isoformat()} if ended else {}),
        }
        self._post("/api/v2/alerts", [told])

    def silence(self, name: str, value: str, began: datetime, ends: datetime) -> None:
        """Silence alerts with this label."""
        matcher = {"name": name, "value": value, "isRegex": False, "isEqual": True}
        self._post(
            "/api/v2/silences",
            {"matchers": [matcher], "startsAt": began.isoformat(), "endsAt": ends.isoformat(),
             "createdBy": "a test", "comment": "a test"},
        )  # fmt: skip

    def _post(self, path: str, body: object) -> None:
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            assert answer.status == 200


@contextmanager
def alertmanager(found: Path, folder: Path, settings: Sequence[str]) -> Iterator[Alertmanager]:
    """A server with these lines of settings and its data in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alertmanager.yml").write_text("\n".join(settings) + "\n")
    port = free_port()
    argv = [
        *_with_its_files(found), str(found),
        "--config.file=alertmanager.yml", "--storage.path=data",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with serving(argv, folder, {}, folder, lambda text: re.search(r"Listening on|address=", text)):
        yield Alertmanager(url=f"http://127.0.0.1:{port}")


def _with_its_files(found: Path) -> list[str]:
    """What a program that was only unpacked has to be started with."""
    if not found.is_relative_to(CACHE):
        return []
    return ["unshare", "--mount", "sh", "-c", _OVERLAID, "sh", str(found.parents[1] / "share")]
