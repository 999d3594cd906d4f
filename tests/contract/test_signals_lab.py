# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates that ask hosts, on real hosts: units, programs, journals, files; and a line that is cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storewarden.adapters.ansible import AnsibleInventory, PlaybookRunner
from storewarden.adapters.signals import SiteGates
from storewarden.domain.errors import AdapterError
from storewarden.domain.gates.verdict import Outcome, Verdict
from storewarden.domain.rollout.spec import GateSpec
from storewarden.flows.gate_look import PlaybookLook
from storewarden.flows.rollout_parts import EstateNow, PlaySettings
from storewarden.ports.runner import FrozenInventory, SecretFiles
from storewarden.ports.signals import HostAsk, LookKind, Reach, WaveScope
from storewarden.testing.runner import FakeRunner
from storewarden.testing.secrets import MemorySecrets
from tests.contract.runner_plays import ended
from tests.lab.fleet import Lab, LabHost
from tests.unit.gates.scene import wave

pytestmark = [pytest.mark.lab, pytest.mark.slow]

_SERVICE = "[Service]\nExecStart=/bin/sh -c 'echo INFO up; echo ERROR paper; exec sleep 600'\n"


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[PlaybookRunner]:
    yield from ended(PlaybookRunner(tmp_path / "state"))


@pytest.fixture
def look(lab: Lab, runner: PlaybookRunner) -> PlaybookLook:
    inventory = AnsibleInventory().resolve([lab.inventory_path])
    secrets = SecretFiles(private_key=lab.private_key)
    return PlaybookLook(
        runner=runner,
        estate=lambda: EstateNow(devices=(), inventory=inventory),
        settings=PlaySettings(secrets=secrets, known_hosts=lab.known_hosts),
    )


@pytest.fixture
def till(lab_host: LabHost) -> LabHost:
    """A till with a service that logs, and a log file of its own."""
    lab_host.write("/etc/systemd/system/pos.service", _SERVICE)
    lab_host.write("/var/log/pos.log", f"{datetime.now(UTC).isoformat()} ERROR one\n")
    lab_host.run("systemctl start pos.service; sleep 0.3; journalctl --sync", user="root")
    return lab_host


def _scope(*hosts: str, first: bool = False) -> WaveScope:
    now = datetime.now(UTC) + timedelta(seconds=30)
    return replace(
        wave(1, first_wave=first),
        hosts=hosts, verified=frozenset(hosts), store_of=dict.fromkeys(hosts, "000101"),
        strata={}, now=now, since=now - timedelta(minutes=10), began=now - timedelta(minutes=20),
    )  # fmt: skip


def _ask(look: PlaybookLook, scope: WaveScope, *specs: GateSpec) -> tuple[Verdict, ...]:
    gates = SiteGates(reach=Reach(secrets=MemorySecrets(), look=look))
    gates.check(specs)
    return gates.ask(specs, scope)[1:]


_PROBES = [
    {"unit": "pos.service"},
    {"name": "who", "command": ["id", "-un"], "user": "nobody", "expect": "nobody"},
]
_LOGS = {"pattern": "ERROR", "max_per_hour": 60, "watched": "1m"}


def test_a_host_answers_what_gates_ask(
    till: LabHost, look: PlaybookLook, runner: PlaybookRunner
) -> None:
    journal = {**_LOGS, "unit": "pos.service"}
    specs = (
        GateSpec(kind="probe", name="till", settings={"probes": _PROBES}),
        GateSpec(kind="logs", name="journal", settings=journal),
        GateSpec(kind="logs", name="files", settings={**_LOGS, "files": ["/var/log/pos*.log"]}),
    )
    good = _ask(look, _scope(till.name), *specs)
    assert [each.outcome for each in good] == [Outcome.PASS] * 3, [each.reason for each in good]
    assert good[1].evidence["per_hour"] == {till.name: {"now": 6.0, "before": None}}
    till.run("systemctl stop pos.service; i=0; while [ $i -lt 20 ]; do i=$((i+1)); "
             "echo \"$(date -Is) ERROR $i\"; done >> /var/log/pos.log", user="root")  # fmt: skip
    bad = _ask(look, _scope(till.name, first=True), specs[0], specs[2])
    assert [each.outcome for each in bad] == [Outcome.FAIL] * 2
    assert "pos.service (inactive)" in bad[0].reason
    assert bad[0].hard
    assert runner.recover() == ()


def test_a_host_whose_line_is_cut_holds(till: LabHost, look: PlaybookLook) -> None:
    till.cut()
    try:
        (verdict,) = _ask(
            look,
            _scope(till.name, first=True),
            GateSpec(kind="probe", name="till", settings={"probes": _PROBES}),
        )
    finally:
        till.mend()
    assert verdict.outcome is Outcome.HOLD
    assert not verdict.hard


@pytest.mark.parametrize("hosts", [("a-stranger",), ()])
def test_hosts_that_nobody_knows_are_not_asked(hosts: tuple[str, ...]) -> None:
    runner = FakeRunner()
    estate = EstateNow(devices=(), inventory=FrozenInventory(hosts={"pos": {}}))
    look = PlaybookLook(runner=runner, estate=lambda: estate)
    with pytest.raises(AdapterError, match="in the inventory"):
        look.ask(hosts, [HostAsk(name="it", kind=LookKind.UNIT, unit="pos.service")])
    assert runner.started == []
