# SPDX-License-Identifier: GPL-3.0-or-later
"""What a repair begins with: options are data, checked, and each from the nearest place."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.plugin_utils.heal_begin import too_many, variables
from ansible_collections.storewarden.ops.plugins.plugin_utils.heal_meta import HealProblem


def begun(**given: Any) -> dict[str, Any]:
    given = {"heal_action": "service", "heal_options": {"unit": "pos.service"}, **given}

    def templated(name: str) -> Any:
        """As Ansible would: whatever is templated shows itself."""
        value = given.get(name)
        return value.replace("{{ 7 }}", "seven") if isinstance(value, str) else value

    return variables(templated, given.get)


def test_defaults_are_filled_in() -> None:
    found = begun()
    values = found["heal_values"]
    assert (values["unit"], values["max_restarts"], values["allowed"]) == ("pos.service", 3, [])
    assert found["heal_role"] == "storewarden.ops.heal_service"
    assert found["heal_look"] is False
    # Whoever goes back by itself does so a whole deadline after the slowest repair.
    assert found["heal_grant"] == 300 + 120 + 60


def test_the_nearest_place_wins() -> None:
    found = begun(
        heal_service_max_restarts=5,
        heal_service_minutes="7",
        heal_options={"unit": "a.service", "settle": 1, "max_restarts": 6},
        heal_host_options={"unit": "b.service"},
    )["heal_values"]
    assert (found["unit"], found["max_restarts"], found["minutes"]) == ("b.service", 6, 7.0)
    assert found["settle"] == 1.0


def test_text_of_an_alert_is_never_a_template() -> None:
    found = begun(heal_options={"unit": "{{ 7 }}.service", "allowed": ["{{ 7 }}"]})["heal_values"]
    assert (found["unit"], found["allowed"]) == ("{{ 7 }}.service", ["{{ 7 }}"])


def test_what_is_closed_is_told_per_host() -> None:
    """As data, and nothing where a person runs the playbook."""
    why = {"service-restart": {"en": "a {{ 7 }} campaign", "zh": "促销"}}
    given = {"heal_closed": {"pos01": why}}
    assert begun(inventory_hostname="pos01", **given)["heal_closed"] == why
    assert begun(inventory_hostname="pos02", **given)["heal_closed"] == {}
    assert begun(inventory_hostname="pos01")["heal_closed"] == {}
    assert begun()["heal_operations"] == ["service-recovery", "service-restart"]


def test_ids_differ_where_nobody_gives_one() -> None:
    assert begun(heal_change="GMBG-1")["heal_run"].startswith("GMBG-1-service-2")
    assert begun(heal_run="GMBG-1-7")["heal_run"] == "GMBG-1-7"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"heal_action": ""}, "heal_action is missing"),
        ({"heal_action": "nothere"}, "there is no heal action nothere"),
        ({"heal_options": {"unit": "a", "colour": 1}}, "heal_options: colour is no option"),
        ({"heal_host_options": {"colour": 1}}, "heal_host_options: colour is no option"),
        ({"heal_options": {}}, "heal_options of service: missing required arguments: unit"),
        ({"heal_options": {"unit": "a", "max_restarts": "many"}}, "heal_options of service: "),
        ({"heal_options": "{{ all }}"}, "heal_options: a mapping is meant, not str"),
        ({"heal_run": "../x"}, "heal_run: '../x'"),
        ({"heal_epoch": "old"}, "heal_epoch: a number is meant"),
        ({"heal_deadline": 0}, "heal_deadline: seconds above 0 are meant"),
        ({"heal_look": "perhaps"}, "heal_look: true or false is meant"),
    ],
)
def test_what_cannot_be_meant_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(HealProblem) as problem:
        begun(**given)
    assert str(problem.value).startswith(said)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize(
    ("hosts", "limit", "given", "refused"),
    [
        (1, None, {}, False),
        (500, "till01,till02", {}, False),
        (500, None, {}, True),
        (2, "", {}, True),
        (500, None, {"heal_all": "true"}, False),
        (500, None, {"heal_all": "no"}, True),
    ],
)
def test_a_forgotten_limit_repairs_nobody(
    hosts: int, limit: str | None, given: dict[str, Any], refused: bool
) -> None:
    if not refused:
        too_many(hosts, limit, given.get)
        return
    with pytest.raises(HealProblem, match=f"{hosts} hosts and no --limit"):
        too_many(hosts, limit, given.get)
