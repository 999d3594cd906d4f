# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of exit codes is complete, and the operators' page tells the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from storewarden.cli.exits import MEANINGS, PRECEDENCE, Exit, exit_of, first_of
from storewarden.domain import errors
from storewarden.domain.errors import StorewardenError


def leaves() -> list[type[StorewardenError]]:
    return [
        each
        for each in vars(errors).values()
        if isinstance(each, type)
        and issubclass(each, StorewardenError)
        and each is not StorewardenError
    ]


@pytest.mark.parametrize("leaf", leaves(), ids=lambda leaf: leaf.__name__)
def test_every_leaf_has_a_code_of_its_own_meaning(leaf: type[StorewardenError]) -> None:
    assert exit_of(leaf("what")) not in (Exit.BUG, Exit.FINE)


def test_a_child_of_a_leaf_has_the_leafs_code() -> None:
    class Busy(errors.Refused):
        """A new kind of refusal."""

    assert exit_of(Busy("what")) is Exit.REFUSED


def test_every_code_is_explained_and_has_its_place() -> None:
    assert set(MEANINGS) == set(Exit)
    assert sorted(PRECEDENCE) == sorted(Exit)


@pytest.mark.parametrize(
    ("codes", "first"),
    [
        ([], Exit.FINE),
        ([Exit.BELOW, Exit.INCOMPLETE], Exit.BELOW),
        ([Exit.INCOMPLETE], Exit.INCOMPLETE),
        ([Exit.BELOW, Exit.FOREIGN, Exit.INCOMPLETE], Exit.FOREIGN),
        ([Exit.BELOW, Exit.INTERRUPTED, Exit.CONFLICT], Exit.INTERRUPTED),
    ],
)
def test_one_of_several_codes_is_chosen(codes: list[Exit], first: Exit) -> None:
    assert first_of(codes) is first


def test_the_operators_page_is_this_table(project_root: Path) -> None:
    page = (project_root / "docs/operators/exit-codes.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert {int(code): (meaning, todo) for code, meaning, todo in rows} == {
        code.value: texts for code, texts in MEANINGS.items()
    }
    order = ", ".join(str(code.value) for code in PRECEDENCE)
    assert order in page
