# SPDX-License-Identifier: GPL-3.0-or-later
"""What a phase begins with: defaults, checks, and what the role gets."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.plugin_utils.payload_begin import variables
from ansible_collections.storewarden.ops.plugins.plugin_utils.payload_meta import PayloadProblem


def begun(phase: str = "apply", **given: Any) -> dict[str, Any]:
    return variables(phase, {"payload_name": "config", **given}.get)


def test_defaults() -> None:
    found = begun()
    assert found["payload_change"] == "ansible"
    assert found["payload_point"] == found["payload_job"] == "ansible-config"
    assert found["payload_stage"] == "/var/cache/storewarden/ansible-config"
    assert found["payload_points"] == [{"id": "ansible-config", "owner": ""}]
    assert found["payload_role"] == "storewarden.ops.payload_config"
    assert (found["payload_epoch"], found["options"], found["payload_lock"]) == ("", {}, {})


def test_an_armed_host_has_the_time_of_its_own_phase() -> None:
    timing = begun()["payload_meta"]["timing"]
    assert begun(payload_deadline=60)["payload_grant"] == 60 + timing["apply"]
    assert begun(payload_deadline=60)["payload_restore_point"]["rest"] == timing["apply"]
    assert begun("judge", payload_deadline="60")["payload_grant"] == 60 + timing["judge"]


def test_a_host_that_has_finished_waits_for_the_others_of_its_run() -> None:
    timing = begun(payload_name="packages")["payload_meta"]["timing"]
    turn = timing["apply"] + max(timing["reboot"], timing["undo"])

    def wait(hosts: int, forks: int) -> tuple[float, float]:
        names = [f"pos{number}" for number in range(hosts)]
        found = begun(payload_name="packages", ansible_play_hosts_all=names, ansible_forks=forks)
        return found["payload_wait"], found["payload_queue"]

    assert wait(1, 5) == (0, 0)
    assert wait(5, 5) == (turn, 0)
    # Fewer hands than hosts: the last begin when others have ended, in judge as well.
    queue = timing["judge"] + timing["undo"]
    assert wait(6, 5) == (2 * turn + queue, queue)


def test_only_an_apply_has_something_to_extend() -> None:
    phases = ("preflight", "apply", "judge", "undo")
    found = [begun(phase)["payload_restore_point"]["extend"] for phase in phases]
    assert found == [False, True, False, False]


def test_options_and_points_as_the_driver_gives_them() -> None:
    found = begun(
        payload_options={"reload": ["nginx"]},
        payload_points=["b", {"id": "a", "owner": "GMBG-1"}],
        payload_probe_ports="22, 443",
        payload_epoch="7",
    )
    assert found["options"] == {"payload_config_reload": ["nginx"]}
    assert found["payload_points"] == [{"id": "b", "owner": ""}, {"id": "a", "owner": "GMBG-1"}]
    assert (found["payload_probe_ports"], found["payload_epoch"]) == ([22, 443], 7)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"payload_name": ""}, "payload_name is missing"),
        ({"payload_name": "nothere"}, "there is no payload nothere"),
        ({"payload_options": {"flies": []}}, "flies is no option of payload config"),
        ({"payload_options": "files"}, "payload_options: a mapping is meant"),
        ({"payload_lock": []}, "payload_lock: a mapping is meant"),
        ({"payload_point": "a b"}, "payload_point: 'a b'"),
        ({"payload_points": "a"}, "payload_points: a list is meant"),
        ({"payload_points": [{"name": "a"}]}, "payload_points: an id, or id and owner"),
        ({"payload_points": ["../a"]}, "payload_points: '../a'"),
        ({"payload_deadline": 0}, "payload_deadline: seconds above 0"),
        ({"payload_deadline": "soon"}, "payload_deadline: seconds above 0"),
        ({"payload_epoch": "x"}, "payload_epoch: a number is meant"),
        ({"payload_probe_ports": [70000]}, "payload_probe_ports: TCP ports are meant"),
    ],
)
def test_what_cannot_be_meant_is_said_before_a_host_is_asked(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(PayloadProblem) as problem:
        begun(**given)
    assert said in str(problem.value)


def test_a_host_is_taken_back_and_probed_whatever_became_of_the_role() -> None:
    for phase in ("undo", "probe"):
        for lost in ({"payload_name": "nothere"}, {"payload_options": {"flies": []}}):
            found = begun(phase, payload_change="GMBG-1", **lost)
            assert (found["payload_role"], found["options"]) == ("", {})
            assert found["payload_role_problem"]
            assert found["payload_points"][0]["id"].startswith("GMBG-1-")
    with pytest.raises(PayloadProblem, match="payload_points"):
        begun("undo", payload_points=["../a"])
