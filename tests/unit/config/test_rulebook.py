# SPDX-License-Identifier: GPL-3.0-or-later
"""Rulebooks of ansible-rulebook: what can be said becomes rules that load, the rest is listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storewarden.adapters.queries import condition
from storewarden.config.heal_rules import load_rules
from storewarden.config.rulebook import Imported, import_rulebook, read_mapping
from storewarden.config.rulebook_condition import NotSimple, ways_of
from storewarden.domain.change.record import Risk
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.healing.action import HealAction
from storewarden.domain.healing.rule import Mode
from storewarden.domain.maintenance.grounds import OperationClass

SERVICE = HealAction(
    name="service",
    risk=Risk.LOW,
    operation=OperationClass.SERVICE_RECOVERY,
    disruptive=False,
    options={"unit": True},
)

MAPPING = """
playbooks:
  playbooks/restart.yml: {action: service, vars: {service_name: unit}, impact: high}
modules:
  ansible.builtin.systemd: {action: service, options: {unit: nginx.service}}
target: {address: "{instance}"}
"""

RULEBOOK = """
- name: Watch the tills
  hosts: all
  sources:
    - ansible.eda.alertmanager: {host: 0.0.0.0, port: 8000}
  rules:
    - name: Restart a till
      condition: event.alert.labels.alertname == "PosDown" and event.alert.status == "firing"
      throttle: {once_within: 2 hours, group_by_attributes: [event.alert.labels.instance]}
      action:
        run_playbook:
          name: playbooks/restart.yml
          extra_vars: {service_name: "{{ event.alert.labels.unit }}.service", reason: alert}
    - name: Web server
      condition: >-
        event.alert.labels.job in ["nginx", "proxy"] and
        (event.alert.labels.env is search("prod") or event.alert.labels.tier == "core")
      throttle: {once_after: 5 minutes, group_by_attributes: [event.alert.labels.instance]}
      actions:
        - debug: {msg: hello}
        - run_module: {name: ansible.builtin.systemd, module_args: {state: restarted}}
    - name: Disabled
      enabled: false
      condition: event.alert.labels.a is defined
      action: {run_module: {name: ansible.builtin.systemd}}
    - name: Many
      condition: {all: [event.a is defined, event.b is defined]}
      action: {debug: {}}
    - name: Everything
      condition: true
      action: {run_module: {name: ansible.builtin.systemd}}
    - name: Over
      condition: event.alert.status == "resolved"
      action: {run_module: {name: ansible.builtin.systemd}}
    - name: Number
      condition: event.alert.labels.count > 5
      action: {run_module: {name: ansible.builtin.systemd}}
    - name: Unknown playbook
      condition: event.alert.labels.a == "b"
      action: {run_playbook: {name: other.yml}}
    - name: Job template
      condition: event.alert.labels.a == "b"
      action: {run_job_template: {name: x, organization: y}}
    - name: Computed
      condition: event.alert.labels.a == "b"
      action:
        run_playbook: {name: playbooks/restart.yml, extra_vars: {service_name: "{{ x | upper }}"}}
    - name: Counted
      condition: event.alert.labels.a == "b"
      throttle: {accumulate_within: 5 minutes, threshold: 3, group_by_attributes: [event.x]}
      action: {run_module: {name: ansible.builtin.systemd}}
    - name: Two things
      condition: event.alert.labels.a == "b"
      actions: [{run_module: {name: a}}, {run_module: {name: b}}]
    - name: Talks only
      condition: event.alert.labels.a == "b"
      action: {print_event: {}}
"""


@pytest.fixture
def imported(tmp_path: Path) -> Imported:
    """What becomes of the rulebook."""
    (tmp_path / "mapping.yml").write_text(MAPPING, encoding="utf-8")
    (tmp_path / "tills.yml").write_text(RULEBOOK, encoding="utf-8")
    return import_rulebook(tmp_path / "tills.yml", read_mapping(tmp_path / "mapping.yml"))


def test_simple_rules_become_rules_that_load(imported: Imported, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(imported.text(), encoding="utf-8")
    rules = {
        each.name: each
        for each in load_rules(tmp_path / "rules.yml", {"service": SERVICE}, condition)
    }
    assert list(rules) == ["Restart a till", "Web server (1)", "Web server (2)", "Disabled"]
    till = rules["Restart a till"]
    assert [str(each) for each in till.matchers] == ['alertname="PosDown"']
    assert till.options == {"unit": "{unit}.service"}
    assert till.limits.cooldown is not None
    assert till.limits.cooldown.total_seconds() == 7200
    assert not rules["Disabled"].enabled
    web = rules["Web server (1)"]
    assert web.hold_down is not None
    assert web.hold_down.total_seconds() == 300
    assert all(each.matches({"job": "nginx", "env": "eu-prod-1"}) for each in web.matchers)
    assert {each.mode for each in rules.values()} == {Mode.OBSERVE}


def test_what_cannot_be_said_is_listed_with_its_reason(imported: Imported) -> None:
    found = {each.rule: each.reason for each in imported.left}
    assert found.keys() == {
        *("Many", "Everything", "Over", "Number", "Unknown playbook", "Job template"),
        *("Computed", "Counted", "Two things", "Talks only"),
    }
    assert "several events" in found["Many"]
    assert "every alert" in found["Everything"]
    assert "over" in found["Over"]
    assert "> cannot be said" in found["Number"]
    assert "no answer for run_playbook other.yml" in found["Unknown playbook"]
    assert "run_job_template" in found["Job template"]
    assert "computed" in found["Computed"]
    assert "counts events" in found["Counted"]
    assert "2 actions" in found["Two things"]
    assert "0 actions" in found["Talks only"]
    assert str(imported.left[0]).startswith("tills.yml: Many: ")


def test_differences_are_told(imported: Imported) -> None:
    told = [f"{each.rule}: {each.reason}" for each in imported.notes]
    assert any("Restart a till: the variable reason is not handed on" in each for each in told)
    assert any("Restart a till: throttle counts per host" in each for each in told)


@pytest.mark.parametrize(
    ("text", "labels", "fits"),
    [
        ('event.alert.labels.a == "x"', {"a": "x"}, True),
        ('event.alert.labels["a"] == "x"', {"a": "x"}, True),
        ("event.alert.labels.a == 'it\\'s'", {"a": "it's"}, True),
        ('event.alert.labels.a != "x"', {"a": "y"}, True),
        ('event.alert.labels.a != "x"', {}, False),
        ('not event.alert.labels.a == "x"', {"a": "y"}, True),
        ('not (event.alert.labels.a == "x" and event.alert.labels.b == "y")', {"b": "z"}, True),
        ('not (event.alert.labels.a == "x" or event.alert.labels.b == "y")', {"b": "z"}, False),
        ('event.alert.labels.a == "x" or event.alert.labels.b == "y"', {"b": "y"}, True),
        ('event.alert.labels.a in ["x", "y.z"]', {"a": "y.z"}, True),
        ('event.alert.labels.a in ["x", "y.z"]', {"a": "yyz"}, False),
        ('event.alert.labels.a not in ["x"]', {"a": "y"}, True),
        ("event.alert.labels.a is defined", {"a": "y"}, True),
        ("event.alert.labels.a is not defined", {"a": "y"}, False),
        ('event.alert.labels.a is match("pos")', {"a": "pos-1"}, True),
        ('event.alert.labels.a is match("pos")', {"a": "a-pos-1"}, False),
        ('event.alert.labels.a is search("pos")', {"a": "a-pos-1"}, True),
        ('event.alert.labels.a is regex("^A", ignorecase=true)', {"a": "abc"}, True),
        ('event.alert.labels.a is not search("pos")', {"a": "srv"}, True),
        ('event.alert.labels.a is not search("pos")', {}, False),
        ('event.alert.labels.a == "x" and event.alert.status == "firing"', {"a": "x"}, True),
        ('event.alert.labels.a == "x" and event.alert.status != "resolved"', {"a": "x"}, True),
    ],
)
def test_a_condition_means_the_same(text: str, labels: dict[str, str], fits: bool) -> None:
    found = ways_of(text).any_of
    assert any(all(each.matches(labels) for each in way) for way in found) is fits


@pytest.mark.parametrize(
    "text",
    [
        'event.payload.x == "y"',
        "event.alert.labels.a == 5",
        "event.alert.labels.a",
        'event.alert.labels.a contains "x"',
        'event.alert.labels.a == "x" and',
        '(event.alert.labels.a == "x"',
        'event.alert.labels.a == "x" event.alert.labels.b == "y"',
        'event.alert.labels.a is match("x", multiline=true)',
        'event.alert.labels.a is search("(?=x)")',
        'event.alert.labels.a is selectattr("b", "==", 1)',
        'events.first << event.alert.labels.a == "x"',
        "event.alert.labels.a == $",
        " or ".join(f'event.alert.labels.l{each} == "x"' for each in range(20)),
        "",
        None,
        5,
        {"not_all": ["event.a is defined"]},
        {"any": []},
    ],
)
def test_what_is_not_simple_is_refused_and_never_bent(text: Any) -> None:
    with pytest.raises(NotSimple):
        ways_of(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: []", "must be a list of rulesets"),
        ("- name: x", "has no rules"),
        ("- [", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_rulebook(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "tills.yml").write_text(text, encoding="utf-8")
    (tmp_path / "mapping.yml").write_text(MAPPING, encoding="utf-8")
    with pytest.raises(ConfigInvalid, match=said):
        import_rulebook(tmp_path / "tills.yml", read_mapping(tmp_path / "mapping.yml"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("playbooks: {a.yml: {}}", "lacks action"),
        ("playbook: {}", "unknown key"),
        ("playbooks: []", "must be keys with values"),
        ("target: {host: x}", "unknown key"),
    ],
)
def test_a_mapping_that_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mapping.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigInvalid, match=said):
        read_mapping(tmp_path / "mapping.yml")
