# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiver files are read strictly, and what is wrong has a line number."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from storewarden.adapters.waivers import load_waivers
from storewarden.domain.baseline.control import Severity
from storewarden.domain.baseline.waiver import DeviceFacts, Waiver
from storewarden.domain.errors import ConfigInvalid

SEVERITIES = {"B01": Severity.HIGH, "B08": Severity.MEDIUM}
DEVICES = (DeviceFacts(host="b1", role="bastion", region="east"),)
GOOD = """\
- control: B08
  scope: {roles: [bastion], regions: [east]}
  accepted: ["yes", {depth: [1, 2.5, null, true]}]
  justification: 堡垒机为支持团队转发端口
  compensating: sessions are recorded
  ticket: GMBG-20260301-004
  approvers: [zhang.wei]
  approved: "2026-03-01"
  expires: "2026-05-30"
"""


def _load(*places: Path) -> tuple[Waiver, ...]:
    return load_waivers(places, severities=SEVERITIES, devices=DEVICES)


def _file(folder: Path, text: str, name: str = "w.yml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_a_good_file_is_read_whole(tmp_path: Path) -> None:
    file = _file(tmp_path, "---\n" + GOOD)
    (waiver,) = _load(file)
    assert (waiver.control, waiver.ticket) == ("B08", "GMBG-20260301-004")
    assert waiver.accepted == ["yes", {"depth": [1, 2.5, None, True]}]
    assert (waiver.approved, waiver.expires) == (date(2026, 3, 1), date(2026, 5, 30))
    assert waiver.scope.covers(DEVICES[0])
    assert waiver.justification == "堡垒机为支持团队转发端口"
    assert waiver.source == f"{file}:2"


def test_a_file_may_be_one_waiver(tmp_path: Path) -> None:
    alone = "  " + GOOD.removeprefix("- ")
    (waiver,) = _load(_file(tmp_path, alone))
    assert waiver.control == "B08"
    with pytest.raises(ConfigInvalid, match=r"w\.yml:1: must be a waiver, or a list"):
        _load(_file(tmp_path, "just words\n"))


def test_a_folder_is_its_yaml_files_in_order(tmp_path: Path) -> None:
    _file(tmp_path, GOOD, "20.yaml")
    _file(tmp_path, GOOD, "10.yml")
    _file(tmp_path, "not: [yaml", "README.md")
    _file(tmp_path, "# nothing yet\n", "30.yml")
    assert [Path(w.source.split(":")[0]).name for w in _load(tmp_path)] == ["10.yml", "20.yaml"]
    assert _load() == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ('"2026-05-30"', "2026-05-30", 9, "expires must be a quoted day"),
        ('"2026-05-30"', '"2026"', 9, "expires must be a quoted day"),
        ('"2026-05-30"', '"20260530"', 9, "expires must be a quoted day"),
        ('"2026-05-30"', '"2026-02-30"', 9, "expires must be a quoted day"),
        ('"2026-05-30"', '["2026-05-30"]', 9, "expires must be a quoted day"),
        ('  expires: "2026-05-30"\n', "", 1, "lacks expires"),
        ('  accepted: ["yes", {depth: [1, 2.5, null, true]}]\n', "", 1, "lacks accepted"),
        ("  ticket:", "  tickets:", 6, "has no 'tickets'"),
        ("  ticket: G", "  control: B08\n  ticket: G", 6, "control is given twice"),
        ("roles:", "role:", 2, "scope has no 'role', only groups, hosts"),
        ("roles: [bastion]", "roles: bastion", 2, "roles must be a list"),
        ("roles: [bastion]", "roles: []", 2, "roles must be a list"),
        ("regions: [east]", "stores: [000001]", 2, "each of stores must be text; quote it"),
        ("{roles: [bastion], regions: [east]}", "{}", 1, "scope names no host"),
        ("[zhang.wei]", "zhang.wei", 7, "approvers must be a list"),
        ("control: B08", "control: Z99", 1, "there is no control 'Z99'"),
        ("control: B08", "control: B01", 1, "a high control needs 2 different approver(s)"),
        ("bastion", "gone", 1, "covers no device of the inventory"),
        ('"yes", ', "2026-01-01, ", 3, "accepted holds '2026-01-01', a timestamp"),
        ('["yes", ', "&a [*a, ", 3, "nested deeper than 20 levels"),
        ("- control", "control", 2, "is not YAML|must be a waiver"),
        ("justification: ", "justification: [", 4, "is not YAML|expected"),
    ],
)
def test_what_is_wrong_has_file_and_line(
    tmp_path: Path, old: str, new: str, line: int, what: str
) -> None:
    assert old in GOOD
    file = _file(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigInvalid) as refusal:
        _load(file)
    told = str(refusal.value)
    assert any(words in told for words in what.split("|")), told
    assert "\n" not in told
    place, _, number = refusal.value.where.rpartition(":")
    assert place == str(file)
    assert abs(int(number) - line) <= (2 if "YAML" in what else 0)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"missing\.yml: cannot be read: No such file"):
        _load(tmp_path / "missing.yml")
    latin = tmp_path / "latin.yml"
    latin.write_bytes("- control: é".encode("latin-1"))
    with pytest.raises(ConfigInvalid, match=r"latin\.yml: is not UTF-8"):
        _load(latin)
    control = _file(tmp_path, GOOD + "\x00", "control.yml")
    with pytest.raises(ConfigInvalid, match=r"control\.yml:1: is not YAML"):
        _load(control)
