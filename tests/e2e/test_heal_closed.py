# SPDX-License-Identifier: GPL-3.0-or-later
"""A service that is up and hangs is no longer what windows were asked about before the run.

On a real host: what the controller says is closed is left to a person, with the reason, and the
same repair is made where nothing is closed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.heal_plays import Healed, Healing, Repair
from tests.e2e.restore_host import until
from tests.e2e.test_heal_service import PROBE, TILL, UNIT, WHERE
from tests.lab.fleet import Lab, LabHost

pytestmark = [pytest.mark.full, pytest.mark.slow, pytest.mark.lab]

_WHY = {"en": "a restart is not allowed now: {{ 7 * 7 }} campaigns", "zh": "现在不允许重启：促销"}
_CLOSED = {"service-restart": _WHY}


def test_what_the_diagnosis_makes_of_it_is_asked_again(
    lab: Lab, lab_host: LabHost, tmp_path: Path
) -> None:
    healing = Healing(lab, lab_host, tmp_path)
    lab_host.write(WHERE, TILL.format(more=""))
    healing.sh(f"systemctl daemon-reload; systemctl enable --now {UNIT}")
    fetch = "python3 -c 'import urllib.request as u; u.urlopen(\"http://127.0.0.1:8099/\")'"
    until(lambda: lab_host.run(fetch, check=False).returncode == 0, "the till serves")
    healing.sh(f"systemctl kill -s STOP {UNIT}")
    begun = healing.sh(f"systemctl show -P MainPID {UNIT}")

    def asked(closed: dict[str, object]) -> Healed:
        options = {"unit": UNIT, "probes": [PROBE], "busy_check": ["true"], "settle": 1}
        repair = Repair(action="service", options=options, variables={"heal_closed": closed})
        return healing.together({lab_host: repair})[lab_host]

    left = asked({lab_host.name: _CLOSED})
    assert (left.end, left.changed, left.code) == ("escalate", False, 0), left.said
    assert left.plan["operation"] == "service-restart"
    assert left.reason.endswith(_WHY["en"]), "the text of a calendar is no template"
    assert "is up, but page" in left.reason and left.own["reason_zh"].endswith(_WHY["zh"])
    assert healing.sh(f"systemctl show -P MainPID {UNIT}") == begun

    done = asked({"another.host": _CLOSED, lab_host.name: {"patch": _WHY}})
    assert done.end == "repaired", done.said
    assert healing.sh(f"systemctl show -P MainPID {UNIT}") != begun
