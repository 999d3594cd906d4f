# SPDX-License-Identifier: GPL-3.0-or-later
"""A fault is armed before it is made, taken back once, and by whoever comes first.

A folder stands for the host's files; systemctl, systemd-run and nft are programs that write down
what they were asked. The scripts are the real ones, run by a real shell.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.chaos import arming
from ansible_collections.storewarden.ops.plugins.module_utils.chaos.fault import ChaosError, Spell
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

pytestmark = pytest.mark.skipif(shutil.which("flock") is None, reason="needs flock")

_PROGRAM = '#!/bin/sh\necho "${{0##*/}} $*" >> {log}\n{body}\n'
_SPELL = Spell(en="broken", zh="已破坏", make="echo made >> {0}", undo="echo undone >> {0}")


class Bench:
    """A host whose programs say what they are told to say."""

    def __init__(self, folder: Path) -> None:
        self.log, self.state = folder / "log", folder / "state"
        self.log.touch()
        self.state.touch()
        self.root = folder / "root"
        bin_ = folder / "bin"
        bin_.mkdir()
        self.root.mkdir()
        for name, body in (("systemctl", "echo waiting"), ("systemd-run", "")):
            self.program(bin_ / name, body)
        self.bin = bin_
        self.host = Host(str(self.root), f"{bin_}:/usr/bin:/bin:/usr/sbin:/sbin")

    def program(self, path: Path, body: str) -> None:
        path.write_text(_PROGRAM.format(log=self.log, body=body))
        path.chmod(0o755)

    def spell(self, **changed: Any) -> Spell:
        made = _SPELL._replace(**changed)
        return made._replace(make=made.make.format(self.state), undo=made.undo.format(self.state))

    def begin(self, **changed: Any) -> dict[str, Any]:
        return arming.begin(self.host, self.spell(**changed), "chaos-1", 60)

    def undo(self, who: str) -> int:
        """What the timer runs."""
        script = self.root / "run/storewarden-chaos/chaos-1/undo.sh"
        return subprocess.run(["/bin/sh", str(script), who], check=False).returncode

    @property
    def happened(self) -> list[str]:
        return self.state.read_text().split()

    @property
    def orders(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_timer_waits_before_the_fault_is_made(bench: Bench) -> None:
    told = bench.begin(make="cat " + str(bench.log) + " >> {0}")
    assert told["made"] is True
    seen = bench.state.read_text()  # what had been ordered when the fault was made
    assert "--on-active=60s" in seen and "storewarden-chaos-1-undo" in seen


@pytest.mark.parametrize("body", ["echo elapsed", "exit 1"])
def test_nothing_is_made_when_the_timer_does_not_wait(bench: Bench, body: str) -> None:
    bench.program(bench.bin / "systemctl", body)
    with pytest.raises(ChaosError, match="armed"):
        bench.begin()
    assert bench.happened == []
    assert not (bench.root / "run/storewarden-chaos/chaos-1").exists()


def test_it_is_taken_back_once_whoever_comes(bench: Bench) -> None:
    bench.begin()
    assert bench.undo("timer") == 0
    assert bench.undo("hand") == 0
    told = arming.end(bench.host, "chaos-1", "order")
    assert (told["by"], bench.happened) == ("timer", ["made", "undone"])
    assert told["at"] >= told["made_at"]
    assert not (bench.root / "run/storewarden-chaos/chaos-1").exists()


def test_an_order_takes_it_back_and_stops_the_timer(bench: Bench) -> None:
    bench.begin()
    assert arming.end(bench.host, "chaos-1", "order")["by"] == "order"
    assert "systemctl stop storewarden-chaos-1-undo.timer" in bench.orders
    # One that has failed is started again and again, and would be so without its script.
    assert "systemctl stop storewarden-chaos-1-undo.service" in bench.orders
    again = arming.end(bench.host, "chaos-1", "order")
    assert (again["undone"], again["by"]) == (True, "")  # nothing is left of it


def test_a_fault_that_comes_too_late_is_never_made(bench: Bench) -> None:
    told = bench.begin(late=True)
    assert (told["late"], bench.happened) == (True, [])  # its timer makes it
    assert bench.undo("timer") == 0
    make = bench.root / "run/storewarden-chaos/chaos-1/make.sh"
    assert subprocess.run(["/bin/sh", str(make)], check=False).returncode == 0
    assert bench.happened == ["undone"]


def test_one_that_fails_half_way_is_taken_back_at_once(bench: Bench) -> None:
    with pytest.raises(ChaosError, match="could not be made"):
        bench.begin(make="echo made >> {0}\nfalse\necho more >> {0}")
    assert bench.happened == ["made", "undone"]


def test_what_cannot_be_taken_back_keeps_its_timer(bench: Bench) -> None:
    bench.begin(undo="false\necho undone >> {0}")
    with pytest.raises(ChaosError, match="timer goes on"):
        arming.end(bench.host, "chaos-1", "order")
    assert not any("stop storewarden-chaos-1-undo.timer" in one for one in bench.orders)
    assert bench.undo("timer") != 0  # systemd tries it again
    assert bench.happened == ["made"]


def test_one_experiment_per_host(bench: Bench) -> None:
    bench.begin()
    with pytest.raises(ChaosError, match="chaos-1 is under way"):
        arming.begin(bench.host, bench.spell(), "chaos-2", 60)
    bench.undo("timer")
    assert arming.begin(bench.host, bench.spell(), "chaos-2", 60)["made"] is True
    assert [each.name for each in (bench.root / "run/storewarden-chaos").iterdir()] == ["chaos-2"]
    assert "systemctl stop storewarden-chaos-1-undo.service" in bench.orders


@pytest.mark.parametrize("ident", ["../x", "chaos-", "chaos-1; true", ""])
def test_a_name_is_a_plain_word(bench: Bench, ident: str) -> None:
    with pytest.raises(ChaosError, match="no name"):
        arming.begin(bench.host, bench.spell(), ident, 60)
    with pytest.raises(ChaosError, match="no name"):
        arming.end(bench.host, ident, "order")
