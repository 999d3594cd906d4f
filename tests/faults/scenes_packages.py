# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes with real packages: dpkg is ended, the repository moves, a reboot never returns."""

from __future__ import annotations

from storewarden.domain.rollout.record import Cause, HostState, Phase, RolloutState, WaveState
from tests.e2e.package_host import APP, Depot, PackageHost, depot
from tests.e2e.restore_host import RestoreHost
from tests.faults.fault_place import Place
from tests.faults.fault_site import LONG, Going, came
from tests.faults.fault_stage import Given, stage
from tests.lab.repository import Flavour

_INSIDE = "/srv/inside"
_WAITS = f"touch {_INSIDE}; while test -e /srv/hold; do sleep 0.2; done"
"""After files are there and before the service runs: as long as the test holds the host."""

_OFF = """\
[Unit]
SuccessAction=poweroff-force
"""
_AT_REBOOT = "/etc/systemd/system/systemd-reboot.service.d/off.conf"
"""A host that was told to reboot and stays dark."""


def packages(given: Given, **options: object) -> Going:
    """A rollout of the newest till over hosts that have 1.0."""
    return given.chain.begin(
        "2.0", *given.places, payload="packages", options={"packages": [APP], **options}
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


def inside(going: Going, place: Place) -> None:
    """Wait until the transaction is in its middle on the host."""
    look = f"test -e {_INSIDE} && echo yes; true"
    assert came(lambda: bool(place.sh(look).strip())), going.story()


@stage.scene(spoils=True, lasts=70)
def dpkg_is_ended_in_the_middle_and_repaired(given: Given) -> None:
    """Half installed is not where a host stays: it is back at its old version, whole."""
    place = given.place
    with depot(place.host.lab.plan.bridge_address) as own:
        with_first(own, place)
        own.put(APP, "2.0", Flavour(after_install=_WAITS))
        own.publish()
        place.hold()
        going = packages(given)
        inside(going, place)
        place.sh("it=$(pgrep -ox dpkg); kill -TERM $it; while kill -0 $it; do sleep 0.1; done")
        place.go()
        going.comes_to(RolloutState.ROLLED_BACK)
    assert installed(place) == "1.0 ii"
    assert place.sh(f"systemctl is-active {APP}").strip() == "active"
    assert place.timers() == ""
    assert len(going.sent(Phase.APPLY)) == 1
    back = going.now.rollback
    assert back is not None and back.cause is Cause.CANARY
    going.journal()


@stage.scene(hosts=2, spoils=True, lasts=110)
def the_repository_moves_and_nobody_gets_other_bits_than_the_canary(given: Given) -> None:
    """The same version with other contents: the second store refuses it by its digest."""
    with depot(given.places[0].host.lab.plan.bridge_address) as own:
        with_first(own, *given.places)
        own.put(APP, "2.0", Flavour(after_install=_WAITS))
        own.publish()
        for place in given.places:
            place.hold()
        going = packages(given)
        canary, later = going.canary, going.later
        inside(going, canary)
        lock = going.now.lock
        assert lock is not None and lock.host == canary.name
        own.put(APP, "2.0", Flavour(program="#!/bin/sh\nexec sleep 9999\n"))
        own.publish()
        canary.go()
        going.sees(later, HostState.ATTENTION)
        assert "repository moved" in going.host(later).reason
        assert came(lambda: going.now.waves[1].state is WaveState.HELD), going.story()
        assert going.now.lock == lock
        assert (installed(canary), installed(later)) == ("2.0 ii", "1.0 ii")
        given.chain.order("abort", going.number)
        going.comes_to(RolloutState.ROLLED_BACK)
    assert (installed(canary), installed(later)) == ("1.0 ii", "1.0 ii")
    assert not canary.timers() + later.timers()
    going.journal()


def reboots_for_ever(given: Given) -> Going:
    """Until the rollout has ended with a debt: told to reboot, never seen again, and aborted."""
    place = given.place
    with depot(place.host.lab.plan.bridge_address) as own:
        with_first(own, place)
        quiet = f"mkdir -p {_AT_REBOOT.rpartition('/')[0]}; printf '{_OFF}' > {_AT_REBOOT}"
        own.put(APP, "2.0", Flavour(after_install=quiet))
        own.publish()
        going = packages(given, reboot="always")
        going.sees(place, HostState.OFFLINE_TOUCHED)
        assert place.host.lab.status()[place.host.name]["state"] == "off"
        assert going.host(place).verified is None
        assert going.now.waves[0].state is WaveState.RUNNING
        given.chain.order("abort", going.number)
        going.comes_to(RolloutState.ROLLED_BACK_WITH_DEBT)
    assert "cannot be reached" in going.host(place).debt
    assert going.host(place).restored_at is None
    assert going.now.rollback is not None and going.now.rollback.last_restored is None
    assert len(going.sent(Phase.APPLY)) == 1
    assert not going.sent(Phase.JUDGE)
    assert not going.sent(Phase.UNDO)
    going.journal()
    return going


@stage.scene(spoils=True, lasts=290)
def a_reboot_never_returns_and_the_host_is_a_debt(given: Given) -> None:
    reboots_for_ever(given)


@stage.scene(full=True, spoils=True, lasts=700)
def a_reboot_returns_days_later_and_the_debt_is_worked_off(given: Given) -> None:
    """The same, but somebody switches the host on in the end."""
    place = given.place
    going = reboots_for_ever(given)
    place.host.start()
    going.comes_to(RolloutState.ROLLED_BACK, patience=2 * LONG)
    assert going.host(place).debt == ""
    assert installed(place) == "1.0 ii"
    assert place.sh(f"systemctl is-active {APP}").strip() == "active"
    assert place.timers() == ""
    going.journal()
