# SPDX-License-Identifier: GPL-3.0-or-later
"""Healing answers chaos: a full disk, a cut line, lost packets, and lost DNS queries.

`storewarden chaos run` breaks a lab host; a real Prometheus sees it, a real controller repairs it,
and all is over long before the host would have taken the fault back itself. Healing is told
nothing. The host's name servers, its two lines and the provider behind them are its own.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from storewarden.domain.healing.record import End
from tests.e2e import test_heal_network as network
from tests.e2e.chaos_site import ChaosSite, finished
from tests.e2e.heal_watch import Waiting, Watch, watch
from tests.e2e.serve_site import PATIENCE
from tests.lab.fleet import Lab, LabHost
from tests.servers.exporters import looks, watched
from tests.servers.monitoring import exporter, tools

pytestmark = [pytest.mark.full, pytest.mark.slow, pytest.mark.lab]

SPAN = timedelta(minutes=14)
"""When the host would take the fault back itself: much later than healing may take."""

PACKAGES = "/var/cache/apt/archives"
_NAMES = f"; start_server {network.FIRST}; start_server {network.SECOND}"
_RESOLV = f"rm -f /etc/resolv.conf; echo nameserver {network.FIRST} > /etc/resolv.conf"


@dataclass(slots=True)
class Broken:
    """A watched host and how experiments with it come out."""

    watch: Watch
    host: LabHost

    def sh(self, script: str) -> str:
        return self.watch.sh(self.host, script)

    def healed(self, fault: str, rule: str, alert: str, *options: str) -> dict[str, Any]:
        """One experiment that has to prove healing; its row of the result table."""
        page = self.watch.heal.service.folder / f"{fault}.html"
        words = [word for each in options for word in ("-o", each)]
        span = f"{int(SPAN.total_seconds()) // 60}m"
        site = ChaosSite(self.watch.heal.service, self.host)
        words += ["--for", span, "--expect", rule, "--html", str(page)]
        with site.running(fault, *words) as process:
            self._until_over(self.watch.healed(rule, alert, self.host), process, site)
            code, told = finished(process)
        (row,) = told["rows"]
        assert (code, told["proved"], row["proof"]) == (0, True, "healed"), told
        assert (row["rule"], row["alert"], row["undone"]) == (rule, alert, "order"), row
        times = [row[each] for each in ("alert_after", "repaired_after", "healed_after")]
        assert times == sorted(times) and 0 < times[-1] < SPAN.total_seconds(), row
        # By the host's own clock, in whole seconds: it was broken until healing was done.
        assert times[1] - 2 <= row["undone_after"] < SPAN.total_seconds(), row
        assert "healed" in page.read_text() and f"{times[-1]:.1f} s" in page.read_text()
        self._tell(fault, row)
        return dict(row)

    def _until_over(self, story: Waiting, process: subprocess.Popen[str], site: ChaosSite) -> None:
        """The alert's story to its end, as long as the experiment does not end badly before."""
        end = time.monotonic() + PATIENCE.total_seconds()
        for _look in story:
            assert process.poll() in (None, 0), site.told() + self.watch.heal.story()
            assert time.monotonic() < end, site.told() + self.watch.heal.story()
            time.sleep(0.3)

    def _tell(self, fault: str, row: dict[str, Any]) -> None:
        told = self.watch.heal.service.folder / "chaos-told.txt"
        with told.open("a") as stream:
            print(fault, {key: row[key] for key in row if key.endswith("_after")}, file=stream)

    def repaired(self, row: dict[str, Any]) -> str:
        """What the repair of a row did, from the ledger."""
        repair = self.watch.heal.site.ledger.alerts.repair(row["repair"])
        assert repair is not None
        (end,) = repair.ends
        assert end.end is End.REPAIRED
        return str(end.detail["steps"])


@pytest.fixture(scope="module")
def broken(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    found = tools()
    if found is None or exporter("node") is None:
        pytest.skip("Prometheus and its exporters are neither there nor to be had from apt here")
    host = next((host for host in lab.hosts if host.role == "pos"), lab.hosts[0])
    host.reset()
    given = {"dns": network.DNS, "link": network.LINES}
    options = {
        f"heal_{action}_{name}": value
        for action, values in given.items()
        for name, value in values.items()
    }
    folder = tmp_path_factory.mktemp("chaos")
    variables = {host.name: {"sw_chaos": "lab", **options}}
    with watch(found, folder, [host], ("disk", *given), variables=variables) as site:
        site.add(host, [watched(host, {})])
        yield Broken(site, host)
    host.reset()


def test_a_filled_disk_is_healed(broken: Broken) -> None:
    """What chaos puts into the package cache, the package cache may lose."""
    broken.sh(f"mount -t tmpfs -o size=192m scene {PACKAGES}")
    row = broken.healed("fill-disk", "disk nearly full", "NodeFilesystemAlmostOutOfSpace")
    assert row["action"] == "disk"
    assert "apt-get clean" in broken.repaired(row)
    left = f"find {PACKAGES} /etc/tmpfiles.d -name 'storewarden*chaos*'"
    assert broken.sh(left).strip() == ""
    broken.sh(f"umount {PACKAGES}")


def test_lost_dns_queries_are_healed(broken: Broken) -> None:
    """One of the site's two servers cannot be reached, and the host asks no other."""
    host = broken.host
    host.write("/srv/name_server.py", network.SERVER.read_text(encoding="utf-8"))
    broken.sh(network._SERVERS + _NAMES.lstrip("; ") + f"; {_RESOLV}")
    looks(host, names=network.NAMES)
    row = broken.healed("drop-dns", "names", "DnsLookupFailing", f"servers={network.FIRST}")
    assert row["action"] == "dns"
    asked = broken.sh("grep ^nameserver /etc/resolv.conf").splitlines()
    assert asked == [f"nameserver {network.SECOND}", f"nameserver {network.FIRST}"]
    looks(host)


@pytest.fixture(scope="module")
def lines(broken: Broken) -> Broken:
    """Two lines to one provider; the controller comes in over neither of them."""
    broken.sh(f"set -e\n{network._LINES}")
    looks(broken.host, lines=[f"{network.FAR}:7"])
    return broken


def test_a_cut_line_is_healed(lines: Broken) -> None:
    assert lines.sh(network.WAY).strip() == "dev wan0"
    row = lines.healed("cut-link", "line", "StoreLineDown", "device=wan0")
    assert row["action"] == "link"
    assert lines.sh(network.WAY).strip() == "dev wan1"
