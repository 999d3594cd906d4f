# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault's two pieces of shell, and what it refuses to break."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storewarden.ops.plugins.module_utils.chaos.fault import ChaosError, Spell
from ansible_collections.storewarden.ops.plugins.module_utils.chaos.faults import FAULTS as ON_HOST
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Done, Host
from storewarden.domain.chaos.fault import FAULTS


class SaidHost(Host):
    """Answers programs as it is told; the first words decide. What it is not told succeeds."""

    def __init__(self, answers: Mapping[str, Done], root: str = "/nowhere") -> None:
        super().__init__(root)
        self.answers = answers

    def has(self, program: str) -> bool:
        return self.answers.get(program, Done(0, "", "")).code != 127

    def run(self, argv: list[str], seconds: float = 60.0, text: str = "") -> Done:
        line = " ".join(argv)
        found = [each for words, each in self.answers.items() if line.startswith(words)]
        return found[0] if found else Done(0, "", "")


ACTIVE = {"systemctl show": Done(0, "active\n", "")}
ROUTED = {"ip -4 -o route": Done(0, "default via 10.0.0.1 dev wan0 proto dhcp\n", "")}


def _spell(fault: str, answers: Mapping[str, Done], **options: Any) -> Spell:
    return ON_HOST[fault].spell(SaidHost(answers), options, "chaos-7")


def test_both_sides_know_the_same_faults() -> None:
    assert set(ON_HOST) == set(FAULTS)


@pytest.mark.parametrize("fault", ["kill-process", "stop-unit"])
@pytest.mark.parametrize(
    "unit",
    ["sshd", "ssh.service", "systemd-journald", "dbus", "NetworkManager", "storewarden-x",
     "user@0.service", "data.mount", "", "a b", "-x", "$(true)"],
)  # fmt: skip
def test_units_on_which_the_host_lives_are_refused(fault: str, unit: str) -> None:
    with pytest.raises(ChaosError):
        _spell(fault, ACTIVE, unit=unit)


@pytest.mark.parametrize("fault", ["kill-process", "stop-unit"])
def test_a_unit_that_does_not_run_is_refused(fault: str) -> None:
    with pytest.raises(ChaosError, match="failed, so there is nothing to break"):
        _spell(fault, {"systemctl show": Done(0, "failed\n", "")}, unit="pos")


def test_a_stopped_unit_stays_down_and_comes_back_by_a_boot_as_well() -> None:
    spell = _spell("stop-unit", ACTIVE, unit="pos")
    assert "/run/systemd/system/pos.service.d/" in spell.make and "Restart=no" in spell.make
    assert "systemctl stop" not in spell.make  # that is how people stop a unit
    assert spell.undo.index("daemon-reload") < spell.undo.index("systemctl start pos.service")


@pytest.mark.parametrize("pid", ["0", "1", ""])
def test_neither_we_nor_the_whole_host_are_killed(tmp_path: Path, pid: str) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f"#!/bin/sh\necho {pid}\n")
    systemctl.chmod(0o755)
    body = _spell("kill-process", ACTIVE, unit="pos").make.replace("kill -KILL", "echo kill")
    done = subprocess.run(
        ["/bin/sh", "-ec", body], env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "kill" not in done.stdout


@pytest.mark.parametrize(
    ("fault", "options", "words"),
    [
        ("cut-link", {}, ['iifname "wan0" drop', 'oifname "wan0" drop']),
        ("cut-link", {"device": "lte0"}, ['iifname "lte0" drop']),
        ("lose-packets", {"percent": "40"}, ['oifname "wan0" numgen random mod 100 < 40 drop']),
        ("drop-dns", {}, ["th dport { 53, 853 } drop"]),
        ("drop-dns", {"servers": "10.0.0.5, fd00::5"},
         ["ip daddr 10.0.0.5 meta", "ip6 daddr fd00::5 meta"]),
    ],
)  # fmt: skip
def test_packets_are_dropped_in_a_table_of_its_own(
    fault: str, options: dict[str, str], words: list[str]
) -> None:
    spell = _spell(fault, ROUTED, **options)
    assert "table inet storewarden_chaos_7 {" in spell.make
    for each in words:
        assert each in spell.make
    assert "delete table inet storewarden_chaos_7" in spell.undo
    assert "flush" not in spell.make + spell.undo


def test_a_line_is_cut_only_after_the_answer_has_left() -> None:
    for fault in ("cut-link", "lose-packets"):
        assert _spell(fault, ROUTED).late


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("cut-link", {"device": "lo"}),
        ("cut-link", {"device": 'x" accept; #'}),
        ("lose-packets", {"percent": "100"}),
        ("lose-packets", {"percent": "many"}),
        ("drop-dns", {"servers": "example.com"}),
        ("drop-dns", {"port": "53"}),
        ("fill-disk", {"path": "relative"}),
    ],
)
def test_what_cannot_be_meant_is_refused(fault: str, options: dict[str, str]) -> None:
    with pytest.raises(ChaosError):
        _spell(fault, ROUTED, **options)


def test_a_host_without_nft_or_a_default_route_says_so() -> None:
    with pytest.raises(ChaosError, match="nft is not installed"):
        _spell("cut-link", {**ROUTED, "nft": Done(127, "", "")})
    with pytest.raises(ChaosError, match="name a device"):
        _spell("cut-link", {})
    with pytest.raises(ChaosError, match="cannot do it: no numgen"):
        _spell("lose-packets", {**ROUTED, "nft --check": Done(1, "", "no numgen")})


def test_a_kernel_without_netem_is_refused_by_name() -> None:
    missing = {**ROUTED, "modprobe": Done(1, "", "")}
    with pytest.raises(ChaosError, match="this kernel has no sch_netem"):
        _spell("delay-link", missing)


def test_a_delay_takes_no_queue_that_somebody_set_up() -> None:
    fine = {**ROUTED, "tc qdisc show": Done(0, "qdisc fq_codel 0: root refcnt 2\n", "")}
    spell = _spell("delay-link", fine, milliseconds="200", jitter="20")
    assert spell.make == "tc qdisc add dev wan0 root netem delay 200ms 20ms"
    assert "tc qdisc del dev wan0 root" in spell.undo
    shaped = {**ROUTED, "tc qdisc show": Done(0, "qdisc htb 1: root refcnt 2\n", "")}
    with pytest.raises(ChaosError, match="htb"):
        _spell("delay-link", shaped)


def test_a_disk_is_filled_down_to_its_reserve_and_no_further(tmp_path: Path) -> None:
    (tmp_path / "srv").mkdir()
    host = SaidHost({}, str(tmp_path))
    with pytest.raises(ChaosError, match="are the most"):
        ON_HOST["fill-disk"].spell(host, {"path": "/srv", "most": "1"}, "chaos-7")
    with pytest.raises(ChaosError, match="no folder"):
        ON_HOST["fill-disk"].spell(host, {"path": "/srv/none"}, "chaos-7")
    (tmp_path / "link").symlink_to(tmp_path / "srv")
    with pytest.raises(ChaosError, match="no folder"):  # what is allowed is its real name
        ON_HOST["fill-disk"].spell(host, {"path": "/link"}, "chaos-7")


@given(st.dictionaries(
    st.sampled_from(["unit", "device", "percent", "path", "servers", "free", "most", "jitter"]),
    st.text(max_size=20), max_size=3,
), st.sampled_from(sorted(ON_HOST)))  # fmt: skip
def test_nothing_that_somebody_wrote_becomes_shell(options: dict[str, str], fault: str) -> None:
    """Either it is refused, or what comes out is shell without a word more than meant."""
    answers = {**ROUTED, "systemctl show --property=ActiveState": Done(0, "active\n", "")}
    try:
        spell = ON_HOST[fault].spell(SaidHost(answers), options, "chaos-7")
    except ChaosError as error:
        assert str(error) and error.reason_zh
        return
    for value in options.values():
        hostile = {*value} & {*"$`;|&<>(){}\"'\\\n"}
        assert not hostile or value not in spell.make + spell.undo
