# SPDX-License-Identifier: GPL-3.0-or-later
"""The section `changes`: what a site does differently, and rules that nobody could decide by."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.config import SiteConfig, load_config
from storewarden.domain.change.record import Kind, Risk
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import ConfigInvalid


def load(folder: Path, text: str) -> SiteConfig:
    (folder / "storewarden.yml").write_text(text)
    return load_config(None, {"HOME": str(folder)}, folder)


def test_without_a_section_the_rules_are_the_guides(tmp_path: Path) -> None:
    assert load(tmp_path, "").changes.rules == ApprovalRules()


def test_a_site_sets_its_own_times(tmp_path: Path) -> None:
    text = """\
changes:
  override_days: 2
  remind_before_hours: 1
  remind_every_hours: 12
  approval_hours: {high: 1}
  start_hours: {low: 100}
  approvals: {low: [shift_lead]}
"""
    rules = load(tmp_path, text).changes.rules
    hours = timedelta(hours=1)
    assert rules.override_longest == timedelta(days=2)
    assert (rules.remind_before, rules.remind_every) == (hours, 12 * hours)
    assert dict(rules.approval_target) == {
        Risk.LOW: 4 * hours, Risk.MEDIUM: 4 * hours, Risk.HIGH: hours,
    }  # fmt: skip
    assert dict(rules.start_target) == {
        Risk.LOW: 100 * hours, Risk.MEDIUM: 24 * hours, Risk.HIGH: 4 * hours,
    }  # fmt: skip
    assert rules.roles(Kind.STANDARD, Risk.LOW) == ("shift_lead",)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  remind_every_hours: 0", "changes: remind_every must be longer than nothing"),
        ("  remind_every_hours: -1", "changes.remind_every_hours: must be 0-8784 (is -1)"),
        ("  override_days: 8", "changes.override_days: must be 1-7 (is 8)"),
        ("  approval_hours: {hihg: 3}", "unknown key (did you mean high?)"),
        ("  approvals: {low: []}", "must name at least one role"),
    ],
)
def test_rules_that_nobody_could_decide_by_are_one_line(
    tmp_path: Path, text: str, line: str
) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path, f"site: {{name: x}}\nchanges:\n{text}\n")
    said = str(caught.value)
    assert line in said
    assert "storewarden.yml:" in said
    assert "\n" not in said
    assert "dict" not in said
