# SPDX-License-Identifier: GPL-3.0-or-later
"""What chronyc says, read; when a clock may be stepped. A real chronyd is in tests/e2e."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storewarden.ops.plugins.module_utils.heal import chrony
from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError
from ansible_collections.storewarden.ops.plugins.module_utils.heal.time import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from tests.unit.plugins.heal_bench import HealBench

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
