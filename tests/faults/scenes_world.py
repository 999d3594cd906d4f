# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes: packs are damaged, disks full, clocks wrong, packages moved, Prometheus silent, windows
closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from storewarden.domain.change.record import Span
from storewarden.domain.gates.verdict import Outcome as Said
from storewarden.domain.rollout.events import Judged, Report, Reported
from storewarden.domain.rollout.record import Cause, Hold, HostState, Phase, RolloutState, WaveState
from tests.e2e.package_host import APP, Depot, PackageHost, depot
from tests.e2e.restore_host import FOLDER, RestoreHost
from tests.e2e.serve_site import until
from tests.faults.fault_site import LONG, Going, Place
from tests.faults.fault_stage import Given, stage
from tests.lab.repository import Flavour
from tests.servers.prometheus import Exporter, programs, prometheus


@stage.scene(lasts=50)
def a_pack_that_was_damaged_changes_nothing(given: Given) -> None:
    """Between capture and change: a host that could not go back is not changed. It is looked at
    again, and changed under a pack that is whole."""
    place, chain = given.place, given.chain
    going = chain.begin("v2", place)
    assert until(lambda: bool(going.sent(Phase.PREFLIGHT)), LONG), going.story()
    chain.order("pause", going.number)
    going.sees(place, HostState.CAPTURED)
    place.sh(
        f"for f in $(find {FOLDER}/*/ -type f -size +0 ! -name state.json); do printf x >> $f; done"
    )
    chain.order("resume", going.number)
    damaged = going.host(place).restore_point
    going.completed()
    told = [e.what for e in going.events() if isinstance(e.what, Reported)]
    applied = [report for what in told if what.phase is Phase.APPLY for report in what.reports]
    assert [(one.report, one.restore_point == damaged) for one in applied] == [
        (Report.REFUSED, True),
        (Report.APPLIED, False),
    ], going.story()
    assert place.begun == ["v2"]


@stage.scene(lasts=50)
def a_host_whose_clock_is_an_hour_ahead_is_changed_like_any_other(given: Given) -> None:
    """The kernel's clock is everybody's here, so the host's Python is told another time."""
    place = given.place
    later = "import time; time.time = lambda true=time.time: true() + 3600.0"
    place.sh(f"echo '{later}' > /usr/lib/python3/dist-packages/an-hour-ahead.pth")
    assert float(place.sh("python3 -c 'import time; print(time.time())'")) > (
        datetime.now(UTC).timestamp() + 3000
    )
    going = given.chain.begin("v2", place)
    going.completed()
    assert place.begun == ["v2"]
    given.chain.order("rollback", going.number)
    going.comes_to(RolloutState.ROLLED_BACK)
    assert place.version == "old"


def watched(url: str) -> dict[str, object]:
    """A gate that asks Prometheus for the sales of the wave's stores."""
    sales = 'sales_total{store=~"$stores"}'
    return {
        "prometheus": {
            "name": "sales",
            "url": url,
            "query": f"sum by (store) ({sales})",
            "freshness": sales,
            "min": 1,
        }
    }


@stage.scene(lasts=60)
def prometheus_is_down_so_a_person_decides(given: Given) -> None:
    going = given.chain.begin(
        "v2", given.place, gates=["probe", watched("http://127.0.0.1:9")], extensions=0
    )
    assert until(lambda: going.now.waves[0].state is WaveState.HELD, LONG), going.story()
    assert going.now.rollback is None
    verdicts = [v for e in going.events() if isinstance(e.what, Judged) for v in e.what.verdicts]
    assert {v.outcome for v in verdicts if v.gate == "sales"} == {Said.HOLD}
    assert going.host(given.place).state is HostState.SOAKING
    given.chain.order("promote", going.number)
    going.completed()


def begun_before(given: Given, length: timedelta) -> tuple[Going, datetime] | None:
    """A rollout host by host on a change with a window of this length, once a host is at work; None
    when that was too short for a machine that has other things to do."""
    now = datetime.now(UTC)
    window = Span(starts=now - timedelta(minutes=1), ends=now + length)
    change = given.chain.change(*given.places, window=window)
    going = given.chain.begin(
        "v2", *given.places, change=change, waves=["rest at once"], shard=1, lanes=1
    )

    def settled() -> bool:
        over = datetime.now(UTC) > window.ends and not going.sent(Phase.APPLY)
        return over or any(place.working() for place in given.places)

    assert until(settled, LONG), going.story()
    if going.sent(Phase.APPLY):
        return going, window.ends
    given.chain.cli("rollout", "cancel", going.number, "--reason", "too late")
    given.chain.cli("rollout", "abort", going.number, "--reason", "too late")
    going.comes_to(RolloutState.CANCELLED, RolloutState.ROLLED_BACK)
    return None


@stage.scene(hosts=2, pair=True, lasts=110)
def a_window_closes_in_a_wave_and_what_was_not_verified_is_taken_back(given: Given) -> None:
    """The undo runs although the window is closed; nobody else begins."""
    for place in given.places:
        place.hold()
    lengths = (timedelta(seconds=75), timedelta(minutes=4), timedelta(minutes=7))
    tried = (begun_before(given, length) for length in lengths)
    going, ends = next(found for found in tried if found is not None)
    (member,) = [place for place in given.places if place.begun]
    (other,) = [place for place in given.places if not place.begun]
    assert until(lambda: datetime.now(UTC) > ends, LONG)
    member.go()
    going.sees(member, HostState.RESTORED, HostState.PLANNED)
    assert len(going.sent(Phase.UNDO, member)) == 1
    going.comes_to(RolloutState.PAUSED)
    assert going.now.hold is Hold.CHANGE
    assert "window ended" in going.now.held
    assert (member.version, other.version) == ("old", "old")
    assert other.begun == []
    assert not going.sent(Phase.APPLY, other)
    going.honest()
    given.chain.order("abort", going.number)
    going.rolled_back()


@stage.scene(lasts=120)
def a_disk_is_full_at_the_capture_so_nothing_is_changed(given: Given) -> None:
    """What could not be secured is not changed; when there is room again, it is."""
    place = given.place
    place.host.reset(disk_mb=96)
    place.set_out()
    place.sh("head -c 12M /dev/urandom | base64 >> /srv/trial")
    place.sh("avail=$(df -k --output=avail / | tail -1); fallocate -l $((avail - 8000))K /srv/fill")
    going = given.chain.begin("v2", place)
    assert until(lambda: "MB free" in going.host(place).reason, LONG), going.story()
    assert not going.sent(Phase.APPLY)
    assert (place.begun, place.version) == ([], "old")
    assert place.timers() == ""
    place.sh("rm /srv/fill")
    going.completed()
    assert place.begun == ["v2"]


@stage.scene(full=True, lasts=240)
def prometheus_comes_back_and_its_word_counts(given: Given) -> None:
    """Stale data hold a wave that is over otherwise; fresh data promote it, without anybody."""
    found = programs()
    if found is None:
        pytest.skip("Prometheus cannot be had here")
    store = given.place.store
    page = f'sales_total{{store="{store}"}} 7\n'
    with (
        Exporter("up_only 1\n") as exporter,
        prometheus(found, given.folder / "prometheus", exporter) as server,
    ):
        going = given.chain.begin(
            "v2", given.place, gates=["probe", watched(server.url)], extensions=0
        )
        assert until(lambda: going.now.waves[0].state is WaveState.HELD, LONG), going.story()
        exporter.page = page
        server.until("sales_total", lambda series: len(series) == 1)
        going.completed()
        said = [v for e in going.events() if isinstance(e.what, Judged) for v in e.what.verdicts]
        outcomes = [v.outcome for v in said if v.gate == "sales"]
        assert outcomes[0] is Said.HOLD and outcomes[-1] is Said.PASS


# -- packages ----------------------------------------------------------------------------------


def packages(given: Given, own: Depot, *places: Place) -> Going:
    """A rollout of the newest till over hosts that have 1.0."""
    return given.chain.begin(
        "2.0",
        *places,
        payload="packages",
        options={"packages": [APP]},
        soak={"wall": "20s", "trading": "0"},
        deadline="2m",
    )


def installed(place: Place) -> str:
    """The till's version and state, and what dpkg thinks is unfinished."""
    query = "dpkg-query -W -f '${Version} ${db:Status-Abbrev}' "
    return place.sh(f"{query} {APP}; dpkg --audit").strip()


def with_first(own: Depot, *places: Place) -> None:
    """1.0 is installed from the depot."""
    own.put(APP, "1.0")
    for place in places:
        PackageHost(till=RestoreHost(host=place.host), depot=own).begin(f"{APP}=1.0")


@stage.scene(lasts=120)
def dpkg_is_ended_in_the_middle_and_repaired(given: Given) -> None:
    """Half installed is not where a host stays: it is back at its old version, whole."""
    place = given.place
    with depot(place.host.lab.plan.bridge_address) as own:
        with_first(own, place)
        waits = "touch /srv/inside; until test -e /srv/go; do sleep 0.2; done"
        own.put(APP, "2.0", Flavour(after_install=waits))
        own.publish()
        going = packages(given, own, place)
        inside = "test -e /srv/inside && echo yes || true"
        assert until(lambda: bool(place.sh(inside)), LONG), going.story()
        place.sh("pkill -TERM -x dpkg; sleep 1; touch /srv/go")
        going.comes_to(RolloutState.ROLLED_BACK)
    assert installed(place) == "1.0 ii"
    assert place.sh(f"systemctl is-active {APP}").strip() == "active"
    assert len(going.sent(Phase.APPLY)) == 1
    back = going.now.rollback
    assert back is not None and back.cause is Cause.CANARY
    assert not given.chain.site.ledger.verify().problems


@stage.scene(hosts=2, lasts=150)
def the_repository_moves_and_nobody_gets_other_bits_than_the_canary(given: Given) -> None:
    """The same version with other contents: the second store refuses it by its digest."""
    with depot(given.places[0].host.lab.plan.bridge_address) as own:
        with_first(own, *given.places)
        own.put(APP, "2.0")
        own.publish()
        going = packages(given, own, *given.places)
        canary, later = going.canary, going.later
        going.sees(canary, HostState.SOAKING)
        lock = going.now.lock
        assert lock is not None and lock.host == canary.name
        own.put(APP, "2.0", Flavour(program="#!/bin/sh\nexec sleep 9999\n"))
        own.publish()
        going.sees(later, HostState.ATTENTION)
        assert "repository moved" in going.host(later).reason
        assert until(lambda: going.now.waves[1].state is WaveState.HELD, LONG), going.story()
        assert going.now.lock == lock
        assert (installed(canary), installed(later)) == ("2.0 ii", "1.0 ii")
        given.chain.order("abort", going.number)
        going.comes_to(RolloutState.ROLLED_BACK)
    assert (installed(canary), installed(later)) == ("1.0 ii", "1.0 ii")
    assert not given.chain.site.ledger.verify().problems
