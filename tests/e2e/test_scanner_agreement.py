# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSCAP and our audit agree on every overlapping control, or the list says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.fleet import Lab, LabHost
from tests.scanner import sides
from tests.scanner.agreement import compare, counts
from tests.scanner.tailoring import tailoring

_FOLDER = Path(__file__).resolve().parents[1] / "scanner"
_LISTED: dict[str, Any] = yaml.safe_load((_FOLDER / "disagreements.yml").read_text())


@pytest.mark.lab
@pytest.mark.slow
@pytest.mark.parametrize("state", sorted(_LISTED))
def test_the_two_agree_or_the_list_says_why(
    state: str, lab: Lab, lab_host: LabHost, tmp_path: Path
) -> None:
    listed = _LISTED[state]
    for script in listed["scripts"]:
        lab_host.run("sh -eu", input=(_FOLDER / script).read_text(), user="root")
    variables = sides.HARDENED if listed["scripts"] else {}
    rows, counted = sides.look(lab, lab_host, tmp_path, variables)
    differing = {row.control: dict(row.rules) for row in rows if row.kind != "agree"}
    assert sorted(differing) == sorted(listed["differs"]), differing
    assert dict(sorted(counted.items())) == listed["counts"]
    assert len(rows) >= 30  # a shrunken overlap would agree with anything


def test_a_conjunction_of_rules_fails_with_its_weakest() -> None:
    rows = compare(
        {"A01": "fail", "A02": "pass", "A03": "na"},
        {"A01": ["one", "two"], "A02": ["one", "two"], "A03": ["one"]},
        {"one": "pass", "two": "fail"},
    )
    assert [row.kind for row in rows] == ["agree", "disagree", "silent"]
    assert rows[1].contrary == ("two",)


def test_not_applicable_rules_are_counted_and_never_agree() -> None:
    theirs = {"one": "notapplicable", "two": "notapplicable"}
    (row,) = compare({"A01": "pass"}, {"A01": ["one", "two"]}, theirs)
    assert row.kind == "silent"
    assert counts(theirs) == {"notapplicable": 2}


def test_the_tailoring_file_stands_on_many_lines() -> None:
    # oscap 1.3.7 drops every second element of a file that stands on one line.
    text = tailoring(["a"], {"v": "8"}, ["a", "b", "c"])
    assert text.count("\n") > 8
    assert text.count('selected="true"') == 1
    assert text.count('selected="false"') == 2
