# SPDX-License-Identifier: GPL-3.0-or-later
"""Which waivers somebody has to look at, before an audit does."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from storewarden.domain.baseline.waiver import DeviceFacts, Scope, Waiver
from storewarden.domain.baseline.waiver_state import WaiverState, waiver_lines

TODAY = date(2026, 5, 15)
DEVICES = (DeviceFacts(host="pos1", role="pos"), DeviceFacts(host="srv1", role="server"))


def _waiver(left: int, *, role: str = "pos", begins: int = -30) -> Waiver:
    return Waiver(
        control="B08",
        scope=Scope(roles=frozenset({role})),
        justification="j",
        approvers=("li",),
        ticket="T-1",
        compensating="c",
        approved=TODAY + timedelta(days=begins),
        expires=TODAY + timedelta(days=left),
        accepted=None,
        source=f"w.yml:{left}",
    )


@pytest.mark.parametrize(
    ("left", "state"),
    [
        (-1, WaiverState.EXPIRED),
        (0, WaiverState.EXPIRING),  # its last day counts to its end
        (14, WaiverState.EXPIRING),
        (15, WaiverState.ACTIVE),
    ],
)
def test_a_waiver_is_seen_before_it_expires(left: int, state: WaiverState) -> None:
    (line,) = waiver_lines([_waiver(left)], DEVICES, TODAY)
    assert (line.state, line.left, line.hosts) == (state, left, ("pos1",))


def test_one_that_covers_nothing_comes_first() -> None:
    lines = waiver_lines(
        [_waiver(60), _waiver(-3), _waiver(5), _waiver(50, role="bastion"), _waiver(40, begins=2)],
        DEVICES,
        TODAY,
    )
    assert [line.state for line in lines] == [
        WaiverState.ORPHANED,
        WaiverState.EXPIRED,
        WaiverState.EXPIRING,
        WaiverState.NOT_YET,
        WaiverState.ACTIVE,
    ]
    assert [line.state.needs_somebody for line in lines] == [True, True, True, False, False]
