# SPDX-License-Identifier: GPL-3.0-or-later
"""What chronyc says, read; when a clock may be stepped. A real chronyd is in tests/e2e."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storewarden.ops.plugins.module_utils.heal import chrony
from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError
from ansible_collections.storewarden.ops.plugins.module_utils.heal.sntp import ahead_of, judged
from ansible_collections.storewarden.ops.plugins.module_utils.heal.time import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from tests.unit.plugins.heal_bench import FAILED, HealBench

TRACKING = (
    "0A000001,10.0.0.1,3,1772366400.123,-0.000012,0.000001,0.000020,-5.1,0.002,0.05,0.0003,"
    "0.0001,64.2,Normal\n"
)
SOURCES = """\
^,*,10.0.0.1,2,6,377,20,0.000010,0.000012,0.000300
^,?,10.0.0.2,0,6,0,4294967295,0.0,0.0,0.0
#,x,PPS0,0,4,17,3,0.1,0.1,0.0
"""


def test_what_chrony_says_is_read() -> None:
    found = chrony.parsed_tracking(TRACKING)
    assert found == {"reference": "10.0.0.1", "stratum": 3, "ahead": 0.000012, "leap": "Normal"}
    assert chrony.parsed_tracking("506 Cannot talk to daemon\n") is None
    assert chrony.parsed_tracking("a,b,c,d,e,f,g,h,i,j,k,l,m,n\n") is None
    reached = [
        (one["name"], one["state"], one["reached"]) for one in chrony.parsed_sources(SOURCES)
    ]
    assert reached == [("10.0.0.1", "*", 8), ("10.0.0.2", "?", 0), ("PPS0", "x", 4)]
    assert chrony.parsed_sources("506 Cannot talk to daemon\n") == []


def _facts(ahead: float) -> dict[str, Any]:
    return {
        "unit": {"name": "chrony.service", "load": "loaded", "active": "active"},
        "tracking": {"reference": "10.0.0.1", "stratum": 3, "ahead": ahead, "leap": "Normal"},
        "sources": [{"name": "10.0.0.1", "state": "*", "stratum": "2", "reached": 8}],
        "others": [],
        "start": None,
    }  # fmt: skip


def _options(**more: Any) -> dict[str, Any]:
    return {**{name: spec.get("default") for name, spec in OPTIONS.items()}, **more}


@given(ahead=st.floats(-1e6, 1e6), closed=st.booleans(), approved=st.booleans())
def test_no_clock_goes_back_far_in_an_open_store_by_itself(
    ahead: float, closed: bool, approved: bool
) -> None:
    asked = _options(step=True, open=not closed, approved=approved)
    found = ACTION.diagnose(_facts(ahead), asked)
    if found.state == "needed":
        assert found.plan["ahead"] == ahead
        assert abs(ahead) <= asked["most_step"]
        assert ahead <= asked["most_back"] or closed or approved
    assert (found.state == "healthy") == (abs(ahead) <= asked["max_offset"])


@given(ahead=st.floats(-1e6, 1e6))
def test_nothing_is_stepped_unless_the_site_allows_it(ahead: float) -> None:
    assert ACTION.diagnose(_facts(ahead), _options()).state != "needed"


def _chronyc(bench: HealBench, ahead: str) -> Host:
    """chronyc as it would answer; an offset of chronyc is positive when the clock is behind."""
    (bench.root / "offset").write_text(f"{ahead}\n")
    bench.unit("chrony.service")
    program = bench.root / "bin/chronyc"
    program.write_text(f"""#!/bin/sh
case "$*" in
  makestep) echo 0.0 > {bench.root}/offset ;;
  *tracking) echo "0A000001,10.0.0.1,3,1.0,$(cat {bench.root}/offset),0,0,0,0,0,0,0,64,Normal" ;;
  *sources) echo "^,*,10.0.0.1,2,6,377,20,0.0,0.0,0.0" ;;
esac
""")
    program.chmod(0o755)
    return bench.host


@pytest.mark.slow
def test_a_clock_is_looked_at_again_before_it_is_stepped(tmp_path: Path) -> None:
    """Declared fixture: no clock of a machine is moved."""
    host, asked = _chronyc(HealBench(tmp_path), "42.0"), _options(step=True)
    found = ACTION.diagnose(ACTION.facts(host, asked), asked)
    assert found.state == "needed"
    (tmp_path / "offset").write_text("-42.0\n")  # meanwhile it went the other way
    with pytest.raises(HealError, match="go back by more than 1 s"):
        ACTION.act(host, found, asked)
    (tmp_path / "offset").write_text("42.0\n")
    assert [one.en for one in ACTION.act(host, found, asked)] == [
        "the clock was stepped by +42.000 s"
    ]
    assert ACTION.verify(host, found, asked).well
    assert ACTION.act(host, found, asked) == []


# -- what a start would do -------------------------------------------------------------------------

PATIENCE = 60.0


def _answer(question: bytes, clock: float, head: int = 0x24, stratum: int = 2) -> bytes:
    stamp = struct.pack(">II", (int(clock) + 2208988800) % 2**32, int(clock % 1 * 2**32))
    return bytes([head, stratum]) + bytes(22) + question[40:48] + stamp + stamp


@pytest.fixture
def server() -> Iterator[int]:
    """A time server whose clock is 42 s behind ours; its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                question, whom = line.recvfrom(1024)
                if question == b"end":
                    return
                line.sendto(b"x" * 48, whom)  # a forged answer is passed over
                line.sendto(_answer(question, time.time() - 42.0), whom)

        thread = threading.Thread(target=serve)
        thread.start()
        yield line.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"end", line.getsockname())
        thread.join()


def test_a_time_server_says_by_how_much_the_clock_is_wrong(server: int) -> None:
    found = ahead_of("127.0.0.1", PATIENCE, server)
    assert found is not None
    assert abs(found - 42.0) < 30.0  # how long an answer took counts half


def test_no_time_is_known_from_nobody_and_from_a_server_without_time() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        assert ahead_of("127.0.0.1", 0.05, line.getsockname()[1]) is None
    assert ahead_of("no-such-name.invalid", 1.0) is None
    question = bytes(48)
    assert judged(_answer(question, 1000.0), 1042.0, 1044.0) == 43.0
    assert judged(_answer(question, 1000.0, head=0xE4), 1042.0, 1044.0) is None
    assert judged(_answer(question, 1000.0, stratum=0), 1042.0, 1044.0) is None
    assert judged(_answer(question, 2.2e9), 2.2e9, 2.2e9) == 0.0  # after February 2036


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("makestep 1 3\n", 1.0), ("MakeStep 0.1 -1\n", 0.1), ("makestep 1 0\n", None),
        ("makestep\n", 1.0), ("# makestep 1 3\n! makestep 1 3\n", None),
        ("initstepslew 30 10.0.0.1\n", 30.0), ("rtcsync\n", None),
        ("confdir /etc/chrony/conf.d\n", 5.0), ("include /etc/chrony/conf.d/*.conf\n", 5.0),
    ],
)  # fmt: skip
def test_what_a_start_of_chronyd_would_do(tmp_path: Path, text: str, steps: float | None) -> None:
    folder = tmp_path / "etc/chrony"
    (folder / "conf.d").mkdir(parents=True)
    (folder / "conf.d/site.conf").write_text("makestep 5 3\nserver 10.0.0.2 port 1123 iburst\n")
    (folder / "chrony.conf").write_text(f"pool 10.0.0.1\n{text}")
    found = chrony.at_start(Host(str(tmp_path)))
    assert found["steps_from"] == steps
    assert found["servers"] == [
        ("10.0.0.1", 123),
        *([("10.0.0.2", 1123)] if "conf.d" in text else []),
    ]


@pytest.mark.slow
def test_a_daemon_whose_start_would_step_an_unknown_clock_is_not_started(tmp_path: Path) -> None:
    bench = HealBench(tmp_path)
    for after in (False, True):
        bench.unit("chrony.service", after=after, **({} if after else FAILED))
    (tmp_path / "etc/chrony").mkdir(parents=True)
    conf = tmp_path / "etc/chrony/chrony.conf"
    conf.write_text("rtcsync\n")
    asked = _options(step=True)
    found = ACTION.diagnose(ACTION.facts(bench.host, asked), asked)
    assert found.plan["do"] == "start"
    conf.write_text("makestep 1 3\n")  # somebody has written it since
    with pytest.raises(HealError, match="no time server says by how much"):
        ACTION.act(bench.host, found, asked)
    assert bench.done() == []
    conf.write_text("rtcsync\n")
    assert [one.en for one in ACTION.act(bench.host, found, asked)] == [
        "chrony.service was started"
    ]


@pytest.mark.slow
def test_a_daemon_whose_start_would_set_an_open_stores_clock_back(
    tmp_path: Path, server: int
) -> None:
    bench = HealBench(tmp_path)
    bench.unit("chrony.service", **FAILED)
    (tmp_path / "etc").mkdir(parents=True)
    conf = f"server 127.0.0.1 port {server}\nmakestep 1 3\n"
    (tmp_path / "etc/chrony.conf").write_text(conf)
    facts = ACTION.facts(bench.host, _options())
    found = ACTION.diagnose(facts, _options(step=True))
    assert (found.state, "it would go back by more than 1 s" in found.reason) == ("escalate", True)
    assert ACTION.diagnose(facts, _options(step=True, open=False)).plan["do"] == "start"
