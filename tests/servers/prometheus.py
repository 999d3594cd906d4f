# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prometheus on 127.0.0.1, from Debian's package, with history and a shop to scrape.

The package is downloaded and unpacked below ``.cache`` once (apt checks its signature); nothing is
installed. History is written by promtool from OpenMetrics, so that questions about the same hour
a week ago have real answers.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.servers.packages import CACHE, unpacked
from tests.servers.programs import free_port, run, serving

_PATIENCE = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where both programs of the package are."""

    prometheus: Path
    promtool: Path


def programs() -> Programs | None:
    """Installed, unpacked before, or downloaded now; None when none of it can be had."""
    installed = shutil.which("prometheus"), shutil.which("promtool")
    if installed[0] and installed[1]:
        return Programs(prometheus=Path(installed[0]), promtool=Path(installed[1]))
    folder = CACHE / "prometheus"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "prometheus.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "usr/bin/promtool").exists() and not unpacked("prometheus", folder):
            return None
    return Programs(prometheus=folder / "usr/bin/prometheus", promtool=folder / "usr/bin/promtool")


class Exporter:
    """A page of metrics that a test writes; use it as a context manager."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.asked = 0
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                exporter.asked += 1
                body = exporter.page.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Tests are quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def place(self) -> str:
        """Address and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Exporter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """A running server."""

    url: str

    def ask(self, query: str) -> Sequence[Mapping[str, object]]:
        """The series of an instant query."""
        asked = urllib.parse.urlencode({"query": query})
        url = f"{self.url}/api/v1/query?{asked}"
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
            found: Sequence[Mapping[str, object]] = json.load(answer)["data"]["result"]
            return found

    def until(self, query: str, fits: Callable[[Sequence[Mapping[str, object]]], bool]) -> None:
        """Wait until a query's series are as wanted; AssertionError when that never happens."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if fits(self.ask(query)):
                return
            time.sleep(0.1)
        raise AssertionError(f"{query} is {self.ask(query)}")


@contextmanager
def prometheus(
    found: Programs, folder: Path, exporter: Exporter, history: str = "", *, web: str = ""
) -> Iterator[Prometheus]:
    """A server with its data in ``folder``; ``history`` is OpenMetrics with times, "# EOF" last;
    ``web`` is a file there that sets TLS."""
    data = folder / "data"
    data.mkdir(parents=True)
    if history:
        (folder / "history.txt").write_text(history)
        words = ["tsdb", "create-blocks-from", "openmetrics", "history.txt", "data"]
        run([str(found.promtool), *words], {}, folder, "Prometheus' history")
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 500ms, scrape_timeout: 400ms}\n"
        "scrape_configs:\n"
        f"  - {{job_name: shop, static_configs: [{{targets: ['{exporter.place}']}}]}}\n"
    )
    port = free_port()
    argv = [
        str(found.prometheus), "--config.file=prometheus.yml", "--storage.tsdb.path=data",
        "--storage.tsdb.retention.time=1y", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    argv += [f"--web.config.file={web}"] if web else []
    scheme = "https" if web else "http"
    with serving(argv, folder, {}, folder, lambda text: re.search("ready to receive", text)):
        yield Prometheus(url=f"{scheme}://127.0.0.1:{port}")
