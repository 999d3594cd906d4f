# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes: packs are damaged, disks full, clocks wrong, Prometheus silent."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from storewarden.domain.gates.verdict import Outcome as Said
from storewarden.domain.gates.verdict import Verdict
from storewarden.domain.rollout.events import Judged, Report, Reported
from storewarden.domain.rollout.record import HostState, Phase, RolloutState, WaveState
from tests.e2e.restore_host import FOLDER
from tests.faults.fault_place import Place
from tests.faults.fault_site import Going, came
from tests.faults.fault_stage import Given, stage
from tests.servers.prometheus import Exporter, programs, prometheus


@stage.scene(lasts=50)
def a_pack_that_was_damaged_changes_nothing(given: Given) -> None:
    """Between capture and change: a host that could not go back is not changed. It is looked at
    again, and changed under a pack that is whole."""
    place, chain = given.place, given.chain
    place.hold("preflight")
    going = chain.begin("v2", place)
    assert came(lambda: place.holds("preflight")), going.story()
    chain.order("pause", going.number)
    place.go("preflight")
    going.sees(place, HostState.CAPTURED)
    place.sh(
        f"for f in $(find {FOLDER}/*/ -type f -size +0 ! -name state.json); do printf x >> $f; done"
    )
    damaged = going.host(place).restore_point
    chain.order("resume", going.number)
    going.completed()
    told = [e.what for e in going.events() if isinstance(e.what, Reported)]
    applied = [report for what in told if what.phase is Phase.APPLY for report in what.reports]
    assert [(one.report, one.restore_point == damaged) for one in applied] == [
        (Report.REFUSED, True),
        (Report.APPLIED, False),
    ], going.story()
    assert place.begun == ["v2"]


def beside(place: Place, seconds: float) -> None:
    """The kernel's clock is everybody's here, so the host's Python is told another time."""
    shifted = f"import time; time.time = lambda true=time.time: true() + {seconds}"
    place.sh(f"echo '{shifted}' > /usr/lib/python3/dist-packages/another-time.pth")
    told = float(place.sh("python3 -c 'import time; print(time.time())'"))
    assert (told > datetime.now(UTC).timestamp()) is (seconds > 0)


@stage.scene(hosts=2, spoils=True, lasts=70)
def hosts_with_clocks_an_hour_off_are_changed_like_any_other(given: Given) -> None:
    """One is ahead, one behind."""
    for place, seconds in zip(given.places, (3600.0, -3600.0), strict=True):
        beside(place, seconds)
    going = given.chain.begin("v2", *given.places, waves=["rest at once"])
    going.completed()
    assert [place.begun for place in given.places] == [["v2"], ["v2"]]
    given.chain.order("rollback", going.number)
    going.comes_to(RolloutState.ROLLED_BACK)
    going.rolled_back()


def watched(url: str, **more: object) -> dict[str, object]:
    """A gate that asks Prometheus for the sales of the wave's stores."""
    sales = 'sales_total{store=~"$stores"}'
    return {
        "prometheus": {
            "name": "sales",
            "url": url,
            "query": f"sum by (store) ({sales})",
            "freshness": sales,
            "min": 1,
            **more,
        }
    }


@stage.scene(spoils=True, lasts=120)
def a_disk_is_full_at_the_capture_so_nothing_is_changed(given: Given) -> None:
    """What could not be secured is not changed; when there is room again, it is."""
    place = given.place
    place.host.reset(disk_mb=96)
    place.set_out()
    place.sh("head -c 12M /dev/urandom | base64 >> /srv/trial")
    place.sh("avail=$(df -k --output=avail / | tail -1); fallocate -l $((avail - 8000))K /srv/fill")
    going = given.chain.begin("v2", place)
    assert came(lambda: "MB free" in going.host(place).reason), going.story()
    assert not going.sent(Phase.APPLY)
    assert (place.begun, place.version) == ([], "old")
    assert place.timers() == ""
    place.sh("rm /srv/fill")
    going.completed()
    assert place.begun == ["v2"]


def said(going: Going) -> list[Verdict]:
    """What the gate said, look by look."""
    looks = (event.what.verdicts for event in going.events() if isinstance(event.what, Judged))
    return [verdict for look in looks for verdict in look if verdict.gate == "sales"]


@stage.scene(lasts=60)
def prometheus_is_down_so_a_person_decides(given: Given) -> None:
    going = given.chain.begin(
        "v2", given.place, gates=["probe", watched("http://127.0.0.1:9")], extensions=0
    )
    assert came(lambda: going.now.waves[0].state is WaveState.HELD), going.story()
    assert going.now.rollback is None
    assert {verdict.outcome for verdict in said(going)} == {Said.HOLD}
    assert going.host(given.place).state is HostState.SOAKING
    given.chain.order("promote", going.number)
    going.completed()


class Late(Exporter):
    """Tells what was so ``behind`` ago, and says so."""

    behind = timedelta(0)

    @property
    def page(self) -> str:
        """The metrics, each with its time."""
        at = time.time() - self.behind.total_seconds()
        return "".join(f"{line} {at * 1000:.0f}\n" for line in self.lines)

    @page.setter
    def page(self, text: str) -> None:
        self.lines = text.splitlines()


@stage.scene(lasts=130)
def prometheus_is_stale_until_its_word_counts_again(given: Given) -> None:
    """Old samples hold a wave that is over otherwise; fresh ones promote it, without anybody."""
    found = programs()
    if found is None:
        pytest.skip("Prometheus cannot be had here")
    store = given.place.store
    with (
        Late(f'sales_total{{store="{store}"}} 7\n') as exporter,
        prometheus(found, given.folder / "prometheus", exporter) as server,
    ):
        exporter.behind = timedelta(minutes=3)
        gate = watched(server.url, stale_after="2m")
        going = given.chain.begin("v2", given.place, gates=["probe", gate], extensions=0)
        assert came(lambda: going.now.waves[0].state is WaveState.HELD), going.story()
        assert going.now.rollback is None
        assert "older than" in said(going)[-1].reason
        exporter.behind = timedelta(0)
        going.completed()
    assert [verdict.outcome for verdict in said(going)][-1] is Said.PASS
    assert said(going)[0].outcome is Said.HOLD
