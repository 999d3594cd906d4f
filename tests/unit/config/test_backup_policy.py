# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup policies from YAML: what is left out is the guide's, every mistake has its line."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

import pytest

from storewarden.config.backup_policy import BackupPoliciesInvalid, load_policies
from storewarden.domain.backup.policy import (
    TIER_RULES,
    BackupTier,
    Every,
    Level,
    Policy,
    SetKind,
)
from storewarden.domain.errors import ConfigInvalid

PLACES = ("store", "hub", "away")
SHORT = """
policies:
  - id: tills
    tier: pos-database
    method: sqlite
    select: {roles: [pos]}
    copies: [{location: store}, {location: hub}, {location: away, immutable: 30d}]
"""


def loaded(tmp_path: Path, text: str) -> tuple[Policy, ...]:
    file = tmp_path / "policies.yml"
    file.write_text(text)
    return load_policies(file, PLACES)


def mistakes(tmp_path: Path, text: str) -> str:
    with pytest.raises(BackupPoliciesInvalid) as refused:
        loaded(tmp_path, text)
    return "\n".join(refused.value.mistakes)


def more(line: str) -> str:
    return f"{SHORT}    {line}\n"


def test_what_is_left_out_is_the_guide_s(tmp_path: Path) -> None:
    (found,) = loaded(tmp_path, SHORT)
    rule = TIER_RULES[BackupTier.POS_DATABASE]
    assert found.schedule == rule.schedule
    assert found.retention == rule.retention
    assert found.verify == rule.verify
    assert (found.rpo, found.rto, found.drill) == (rule.rpo, rule.rto, rule.drill)
    assert found.window == (time(23), time(6))
    assert found.copies[2].immutable == timedelta(days=30)
    assert found.required


def test_the_record_is_the_controller_s_and_nothing_is_selected(tmp_path: Path) -> None:
    text = SHORT.replace("method: sqlite", "method: ledger")
    assert "select: is not for the method ledger" in mistakes(tmp_path, text)
    (found,) = loaded(tmp_path, text.replace("    select: {roles: [pos]}\n", ""))
    assert not found.source


def test_every_key_is_read(tmp_path: Path) -> None:
    text = (
        SHORT
        + """\
    source: {path: /var/lib/pos/pos.db}
    window: "22:30-05:30"
    splay: 2h
    bandwidth: 256
    size: {full: 500MB, log: 10MB}
    schedule:
      - {kind: full, every: day}
      - {kind: differential, every: week, day: monday}
      - {kind: full, every: month, day: 3}
      - {kind: log, every: 2h}
    rpo: 2h
    rto: 1h
    keep_days: 1830
    fulls: 14
    verify: {present: 1d, read: 2d, started: 7d, proven: 30d}
    drill: {every: 30d, sample: 25%}
    legal_hold: true
    required: false
    extra_full: false
    after_change: true
"""
    )
    (found,) = loaded(tmp_path, text)
    assert found.window == (time(22, 30), time(5, 30))
    assert (found.splay, found.bandwidth) == (timedelta(hours=2), 256)
    assert found.size == {SetKind.FULL: 500 << 20, SetKind.LOG: 10 << 20}
    assert [each.every for each in found.schedule] == [
        Every.DAY,
        Every.WEEK,
        Every.MONTH,
        Every.HOURS,
    ]
    assert (found.schedule[1].weekday, found.schedule[2].day) == (0, 3)
    assert (found.retention.keep, found.retention.fulls) == (timedelta(days=1830), 14)
    assert [each.level for each in found.verify] == [
        Level.PRESENT,
        Level.READ,
        Level.STARTED,
        Level.PROVEN,
    ]
    assert found.drill is not None
    assert (found.drill.every, found.drill.sample) == (timedelta(days=30), 25)
    assert (found.legal_hold, found.required, found.extra_full) == (True, False, False)
    assert found.after_change


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("keep_days: 100", "is shorter than it may be (the guide asks for 1098"),
        ("fulls: 3", "is fewer than there have to be (the guide asks for 7"),
        ("drill: {every: 300d}", "is rarer than it may be (the guide asks for every 92"),
        ('window: "25:00-06:00"', "is no window"),
        ("size: {full: much}", "is no size"),
        ("schedule: [{kind: log, every: 4h}]", "has no full set to build upon"),
        ("schedule: [{kind: full, every: year}]", "is no period"),
        ("schedule: [{kind: full, every: week, day: someday}]", "is no day of the week"),
        ("schedule: [{kind: full, every: month, day: 31}]", "must be a whole number, 1-28"),
        ("source: {password: hunter2}", "looks like"),
        ("retension: 3y", "unknown key"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, line: str, told: str) -> None:
    found = mistakes(tmp_path, more(line))
    assert told in found
    assert "policies.yml:8: policies.1." in found
    assert "hunter2" not in found


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = """
policies:
  - {id: A B, tier: gold, method: tape}
  - id: files
    tier: ordinary
    method: files
    copies: [{location: store}, {location: mars}]
"""
    found = mistakes(tmp_path, text)
    for told in ("lacks copies", "must be a short name", "policies.1.tier", "policies.1.method"):
        assert told in found
    assert (
        "no place is called mars (backup.locations of the settings has: away, hub, store)" in found
    )
    assert "is 2 copies (ordinary needs 3 (guide 1.6.3, 1.7.3))" in found


@pytest.mark.parametrize("select", ["", "{}", "{roles: }", "{roles: []}"])
def test_a_selector_that_names_nothing_does_not_mean_everything(
    tmp_path: Path, select: str
) -> None:
    text = SHORT.replace("{roles: [pos]}", select)
    assert "names nothing (leave it out for all hosts)" in mistakes(tmp_path, text)
    (found,) = loaded(tmp_path, SHORT.replace("    select: {roles: [pos]}\n", ""))
    assert found.selector.roles == ()


def test_no_copies_are_too_few(tmp_path: Path) -> None:
    line = "    copies: [{location: store}, {location: hub}, {location: away, immutable: 30d}]"
    assert line in SHORT
    assert "is 0 copies" in mistakes(tmp_path, SHORT.replace(line, "    copies: []"))


def test_network_devices_are_read_again_after_each_change(tmp_path: Path) -> None:
    text = SHORT.replace("pos-database", "core-network").replace("sqlite", "network")
    assert loaded(tmp_path, text)[0].after_change
    assert not loaded(tmp_path, SHORT)[0].after_change


def test_two_policies_of_one_name_are_refused(tmp_path: Path) -> None:
    text = SHORT + SHORT.replace("policies:\n", "")
    assert "a policy is called tills already" in mistakes(tmp_path, text)


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "b.yml").write_text(SHORT.replace("tills", "second"))
    (folder / "a.yml").write_text(SHORT)
    (folder / ".swap.yml").write_text("no: policies")
    assert [each.id for each in load_policies(folder, PLACES)] == ["tills", "second"]


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        load_policies(tmp_path / "nowhere.yml", PLACES)
