# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's monitoring, real and whole: Prometheus, Alertmanager and blackbox_exporter on 127.0.0.1.

Rules are the ones that we ship, without their patience. Exporters run on the lab's hosts, see
``tests.servers.exporters``. As a program for the demo:

    python -m tests.servers.monitoring FOLDER HOST...

prints the servers' addresses, watches these hosts of the lab, and sends alerts as soon as a file
``FOLDER/hook`` says where to: a line with the URL, a line with the token.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import re
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.servers.alertmanager import Alertmanager, alertmanager
from tests.servers.alertmanager import program as alertmanager_program
from tests.servers.packages import CACHE, unpacked
from tests.servers.programs import free_port, serving
from tests.servers.prometheus import Programs, Prometheus
from tests.servers.prometheus import programs as prometheus_programs

RULES = Path(__file__).parents[2] / "packaging/prometheus/storewarden-alerts.yml"
RECEIVER = "storewarden"
_BLACKBOX = {
    "modules": {
        "page": {"prober": "http", "timeout": "2s", "http": {"preferred_ip_protocol": "ip4"}},
        "certificate": {
            "prober": "tcp",
            "timeout": "2s",
            # What has expired is to be seen, not refused.
            "tcp": {"tls": True, "tls_config": {"insecure_skip_verify": True}},
        },
    }
}
_SEEN_BY_BLACKBOX = ("page", "certificate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Where the programs are."""

    prometheus: Programs
    alertmanager: Path
    blackbox: Path


def tools() -> Tools | None:
    """Unpacked before, or downloaded now; None when some cannot be had."""
    server, sender = prometheus_programs(), alertmanager_program()
    blackbox = exporter("blackbox")
    if server is None or sender is None or blackbox is None:
        return None
    return Tools(prometheus=server, alertmanager=sender, blackbox=blackbox)


def exporter(kind: str) -> Path | None:
    """Debian's ``prometheus-<kind>-exporter``, unpacked below the cache; None without it."""
    package = f"prometheus-{kind}-exporter"
    folder = CACHE / package
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{package}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = folder / "usr/bin" / package
        if not found.exists() and not unpacked(package, folder):
            return None
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """Running servers; nothing is watched and nobody is told before it is asked for."""

    folder: Path
    prometheus: Prometheus
    alertmanager: Alertmanager

    def watch(self, job: str, targets: Mapping[str, Sequence[str]]) -> None:
        """Scrape these: inventory name -> ``ADDRESS:PORT``, or for the jobs of blackbox what it is
        to ask. It replaces what was said before."""
        found = [{"targets": list(each), "labels": {"host": n}} for n, each in targets.items()]
        fresh = self.folder / f".{job}"
        fresh.write_text(json.dumps(found))
        fresh.rename(self.folder / f"{job}.json")

    def hook(self, url: str, token: str) -> None:
        """Send alerts there."""
        lines = sender_settings(url, token)
        (self.folder / "alertmanager/alertmanager.yml").write_text("\n".join(lines) + "\n")
        request = urllib.request.Request(f"{self.alertmanager.url}/-/reload", method="POST")  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            assert answer.status == 200

    def firing(self) -> set[tuple[str, str]]:
        """(alert, host) of what fires in Prometheus now."""
        told = self.prometheus.ask('ALERTS{alertstate="firing"}')
        metrics = [each["metric"] for each in told]
        return {(one["alertname"], one.get("host", "")) for one in metrics}  # type: ignore[index, attr-defined]


def sender_settings(url: str = "", token: str = "") -> list[str]:
    """Alertmanager's: everything goes to one webhook, at once; without a URL to nobody."""
    receiver: dict[str, object] = {"name": RECEIVER}
    if url:
        authorization = {"type": "Bearer", "credentials": token}
        hook = {"url": url, "send_resolved": True, "max_alerts": 500}
        receiver["webhook_configs"] = [{**hook, "http_config": {"authorization": authorization}}]
    waits = {"group_wait": "200ms", "group_interval": "2s", "repeat_interval": "1h"}
    whole = {
        "global": {"resolve_timeout": "1h"},
        "route": {"receiver": RECEIVER, "group_by": ["alertname"], **waits},
        "receivers": [receiver],
    }
    return yaml.safe_dump(whole).splitlines()


@contextmanager
def monitoring(
    found: Tools, folder: Path, numbers: Mapping[str, str] | None = None
) -> Iterator[Monitoring]:
    """The servers, with their files in ``folder``. ``numbers`` puts other numbers into the shipped
    rules, where a lab host cannot have the real ones: text -> text, each of which is there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.yml").write_text(_rules(numbers or {}))
    with (
        alertmanager(found.alertmanager, folder / "alertmanager", sender_settings()) as sender,
        _blackbox(found.blackbox, folder / "blackbox") as blackbox,
    ):
        settings = _settings(folder, sender.url.removeprefix("http://"), blackbox)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        port = free_port()
        argv = [
            str(found.prometheus.prometheus), "--config.file=prometheus.yml",
            "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}",
        ]  # fmt: skip
        with serving(argv, folder, {}, folder, lambda text: re.search("ready to receive", text)):
            server = Prometheus(url=f"http://127.0.0.1:{port}")
            yield Monitoring(folder=folder, prometheus=server, alertmanager=sender)


@contextmanager
def _blackbox(found: Path, folder: Path) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "blackbox.yml").write_text(yaml.safe_dump(_BLACKBOX))
    place = f"127.0.0.1:{free_port()}"
    argv = [str(found), "--config.file=blackbox.yml", f"--web.listen-address={place}"]
    with serving(argv, folder, {}, folder, lambda text: re.search("Listening on|address=", text)):
        yield place


def _rules(numbers: Mapping[str, str]) -> str:
    text = re.sub(r"^( +for:).*$", r"\1 0s", RULES.read_text("utf-8"), flags=re.MULTILINE)
    for usual, here in numbers.items():
        assert usual in text, usual
        text = text.replace(usual, here)
    return text


def _settings(folder: Path, sender: str, blackbox: str) -> dict[str, object]:
    jobs: list[dict[str, object]] = [_job(folder, "hosts")]
    for module in _SEEN_BY_BLACKBOX:
        relabel = [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": blackbox},
        ]
        more = {"metrics_path": "/probe", "params": {"module": [module]}}
        jobs.append({**_job(folder, module), **more, "relabel_configs": relabel})
    every = {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"}
    return {
        "global": every,
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [sender]}]}]},
        "scrape_configs": jobs,
    }


def _job(folder: Path, name: str) -> dict[str, object]:
    (folder / f"{name}.json").write_text("[]")
    return {"job_name": name, "file_sd_configs": [{"files": [f"{name}.json"]}]}


def main() -> None:
    """Serve until somebody ends us."""
    from tests.lab.fleet import Lab
    from tests.servers.exporters import watched

    parser = argparse.ArgumentParser(prog="python -m tests.servers.monitoring")
    parser.add_argument("folder", type=Path)
    parser.add_argument("hosts", nargs="+")
    chosen = parser.parse_args()
    found = tools()
    if found is None:
        raise SystemExit("Prometheus, Alertmanager or an exporter cannot be had from apt here")
    lab = Lab()
    with monitoring(found, chosen.folder) as running:
        targets = {name: [watched(lab.host(name))] for name in chosen.hosts}
        running.watch("hosts", targets)
        print(f"prometheus: {running.prometheus.url}", flush=True)  # noqa: T201
        print(f"alertmanager: {running.alertmanager.url}", flush=True)  # noqa: T201
        _serve(running)


def _serve(running: Monitoring) -> None:
    place, known = running.folder / "hook", ""
    while True:
        told = place.read_text() if place.exists() else ""
        if told.count("\n") == 2 and told != known:
            running.hook(*told.split())
            known = told
        time.sleep(0.2)


if __name__ == "__main__":
    main()
