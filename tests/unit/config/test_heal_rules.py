# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules files: what they say is what is meant, and every mistake is told with its line."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.adapters.queries import condition
from storewarden.config.heal_rules import KEYS, HealRulesInvalid, load_rules
from storewarden.domain.change.record import Risk
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.healing.action import HealAction, VerifyBy
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.rule import Impact, Kind, Mode, Rule
from storewarden.domain.healing.target import Target, Via
from storewarden.domain.maintenance.grounds import OperationClass

SERVICE = HealAction(
    name="service",
    risk=Risk.LOW,
    operation=OperationClass.SERVICE_RECOVERY,
    disruptive=False,
    options={"unit": True, "units": False},
)
ACTIONS = {"service": SERVICE, "disk": replace(SERVICE, name="disk", options={})}

FULL = r"""
rules:
  - name: till service down
    match:
      - alertname=~"PosDown|TillDown"
      - severity!="info", env=prod
    when: "labels.store != '000000' && starts_with(name, 'Pos')"
    action: service
    target: {name: "pos-{store}-{terminal}"}
    options: {unit: "{unit}.service"}
    mode: approve
    hold_down: 90s
    verify: host
    impact: high
    kind: degraded
    enabled: false
    operation: service-restart
    limits: {cooldown: 2h, per_6h: 1, per_24h: 2}
  - name: disk full
    match: alertname="DiskFull"
    action: disk
    target: {address: "{instance}"}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder for rules."""
    return tmp_path


def loaded(path: Path, text: str = "") -> tuple[Rule, ...]:
    """The rules of a file with this text."""
    if text:
        path.write_text(text, encoding="utf-8")
    return load_rules(path, ACTIONS, condition)


def mistakes(path: Path, text: str) -> list[str]:
    """What is said of it, without the folder."""
    with pytest.raises(HealRulesInvalid) as caught:
        loaded(path, text)
    return [each.replace(f"{path.parent}/", "") for each in caught.value.mistakes]


def test_every_key_is_read(site: Path) -> None:
    till, disk = loaded(site / "rules.yml", FULL)
    assert (till.name, till.action) == ("till service down", "service")
    assert [str(each) for each in till.matchers] == [
        'alertname=~"PosDown|TillDown"',
        'severity!="info"',
        'env="prod"',
    ]
    assert till.target == Target(template="pos-{store}-{terminal}", via=Via.NAME)
    assert till.options == {"unit": "{unit}.service"}
    assert (till.mode, till.verify) == (Mode.APPROVE, VerifyBy.HOST)
    assert (till.impact, till.kind) == (Impact.HIGH, Kind.DEGRADED)
    assert till.hold_down == timedelta(seconds=90)
    assert till.operation is OperationClass.SERVICE_RESTART
    assert till.limits.cooldown == timedelta(hours=2)
    assert (till.limits.per_6h, till.limits.per_24h) == (1, 2)
    assert not till.enabled
    assert till.place.endswith("rules.yml:3")
    assert disk.condition is None
    assert disk.mode is Mode.AUTO
    assert disk.target.via is Via.ADDRESS


def test_a_condition_is_jmespath(site: Path) -> None:
    till = loaded(site / "rules.yml", FULL)[0]
    assert till.condition is not None
    assert till.condition({"name": "PosDown", "labels": {"store": "000001"}}) is True
    assert till.condition({"name": "PosDown", "labels": {"store": "000000"}}) is False
    with pytest.raises(ValueError, match="does not fit"):
        till.condition({"name": 5, "labels": {}})


def test_a_terminal_of_a_store(site: Path) -> None:
    text = FULL.replace(
        'target: {address: "{instance}"}', 'target: {store: "{store}", terminal: "{terminal}"}'
    )
    target = loaded(site / "rules.yml", text)[1].target
    assert target == Target(template="{store}/{terminal}", via=Via.PLACE)


def test_a_folder_is_read_in_the_order_of_names(site: Path) -> None:
    one = "rules: [{name: %s, match: a=b, action: disk, target: {name: '{host}'}}]"
    for name in ("20-b.yml", "10-c.yaml", "30-a.yml"):
        (site / name).write_text(one % name[3], encoding="utf-8")
    (site / ".hidden.yml").write_text("rubbish", encoding="utf-8")
    (site / "notes.txt").write_text("rubbish", encoding="utf-8")
    assert [each.name for each in loaded(site)] == ["c", "b", "a"]


def test_no_rules_are_no_mistake(site: Path) -> None:
    assert loaded(site / "rules.yml", "rules: []\n") == ()
    assert loaded(site / "rules.yml", "# nothing yet\n") == ()


def test_a_file_that_is_not_there_is_one_line(site: Path) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        loaded(site / "none.yml")


GOOD = "rules:\n- name: a\n  match: x=y\n  action: service\n  target: {name: '{host}'}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("name: a", "nam: a"), "rules.yml:2: rules.1.nam: unknown key (did you mean"),
        (GOOD.replace("action: service", "action: servise"), "did you mean service?"),
        (GOOD.replace("x=y", "x"), "rules.yml:3: rules.1.match: =, !=, =~ or !~ is missing"),
        (GOOD.replace("x=y", 'x=~".*"'), "matches an alert without any label"),
        (GOOD.replace("x=y", "[]"), "must hold a matcher"),
        (GOOD.replace("x=y", 'x=~"("'), "is no regular expression"),
        (GOOD.replace("'{host}'", "all"), "names no label"),
        (GOOD.replace("'{host}'", "'{{ host }}'"), "nothing is computed"),
        (GOOD.replace("name: '{host}'", "store: '{s}'"), "must say how the host is found"),
        (GOOD.replace("name: '{host}'", "name: '{a}', address: '{b}'"), "must say how"),
        (GOOD + "  options: {unti: x}\n", "action service has no such option (did you mean unit"),
        (GOOD + "  options: {unit: '{{ x }}'}\n", "nothing is computed"),
        (GOOD + "  options: {unit: 2026-01-01}\n", "put dates in quotes"),
        (GOOD + "  options: [unit]\n", "must be keys with values"),
        (GOOD + "  when: labels.[\n", "is no JMESPath expression"),
        (GOOD + "  mode: automatic\n", "must be observe, approve or auto"),
        (GOOD + "  hold_down: 20m\n", "must be less than 15 min"),
        (GOOD + "  hold_down: soon\n", "must be a length of time"),
        (GOOD + "  operation: patching\n", "is no class of operation (did you mean patch?)"),
        (GOOD + "  limits: {cooldown: 10m}\n", "is shorter than the site's"),
        (GOOD + "  limits: {per_6h: 9}\n", "must be a whole number, 1-2"),
        (GOOD + "  enabled: maybe\n", "must be true or false"),
        (GOOD + GOOD.removeprefix("rules:\n"), "rules.yml:6: rules.2.name: a rule is called a"),
        ("rule: []\n", "unknown key (did you mean rules?)"),
        ("rules: {a: b}\n", "must be a list"),
        ("rules: [x]\n", "must be keys with values"),
    ],
)
def test_a_mistake_is_told_with_its_line(site: Path, text: str, said: str) -> None:
    found = mistakes(site / "rules.yml", text)
    assert any(said in each for each in found), found


def test_all_mistakes_are_told_at_once(site: Path) -> None:
    text = "rules:\n- {match: x}\n- name: b\n  action: nothing\n  mode: fast\n"
    found = mistakes(site / "rules.yml", text)
    lines = [each.split(": ")[0] for each in found]
    assert set(lines) == {"rules.yml:2", "rules.yml:3", "rules.yml:4", "rules.yml:5"}


def test_a_name_that_two_files_have_is_a_mistake(site: Path) -> None:
    (site / "a.yml").write_text(GOOD, encoding="utf-8")
    (site / "b.yml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(HealRulesInvalid, match=r"b\.yml:2.*a\.yml:2"):
        loaded(site)


def test_limits_are_measured_against_the_sites_own(site: Path) -> None:
    path = site / "rules.yml"
    path.write_text(GOOD + "  limits: {per_6h: 3}\n", encoding="utf-8")
    with pytest.raises(HealRulesInvalid, match="1-2"):
        load_rules(path, ACTIONS, condition)
    wide = load_rules(path, ACTIONS, condition, HealPolicy(per_6h=5))
    assert wide[0].limits.per_6h == 3


def test_the_reference_explains_every_key_and_number(project_root: Path) -> None:
    page = (project_root / "docs" / "reference" / "heal-rules.md").read_text(encoding="utf-8")
    for key in KEYS:
        assert f"| `{key}` |" in page, key
    for number in fields(HealPolicy):
        assert f"| `{number.name}` |" in page, number.name
