# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators: the table of what passes, and the rule that doubt never passes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.operators import (
    OPERATORS,
    BadOperand,
    judge,
)

NOW = 1_800_000_000.0

PASSES: list[tuple[str, Any, Any]] = [
    ("eq", "no", "no"),
    ("eq", "8", 8),
    ("eq", "008", 8),
    ("eq", 8, 8),
    ("eq", [], []),
    ("eq", True, True),
    ("ne", "No", "no"),
    ("ne", None, "no"),
    ("in", "prohibit-password", ["no", "prohibit-password"]),
    ("in", "1", [1, 2]),
    ("ge", "12", 8),
    ("ge", " 12 ", 8),
    ("ge", 8, "8"),
    ("le", "-1", 0),
    ("le", "1.5", 2),
    ("between", "900", [1, 900]),
    ("match", "pam_unix.so nullok", r"\bnullok\b"),
    ("nmatch", "pam_unix.so", r"nullok"),
    ("nmatch", None, r"nullok"),
    ("nmatch", [], r"nullok"),
    ("present", [""], True),
    ("present", 0, True),
    ("present", False, True),
    ("present", {}, False),
    ("present", None, False),
    ("empty", [], True),
    ("empty", None, True),
    ("empty", [1], False),
    ("subset", ["a"], ["a", "b"]),
    ("subset", None, []),
    ("subset", "a", ["a"]),
    ("superset", ["a", "b"], ["a"]),
    ("superset", [], []),
    ("disjoint", ["aes"], ["3des"]),
    ("disjoint", None, ["3des"]),
    ("mode_le", "0600", "0640"),
    ("mode_le", ["0400", "0600"], "0600"),
    ("mode_le", [], "0600"),
    ("all_in", ["y", "6"], ["y", "6"]),
    ("all_in", [], ["y"]),
    ("all_le", [1, "2"], 2),
    ("all_ge", ["15"], 15),
    ("all_match", ["ab", "ac"], "^a"),
    ("contains", ["use_pty"], "use_pty"),
    ("contains", "nodev,nosuid", "nosuid"),
    ("contains", [{"a": 1}], {"a": 1}),
    ("age_le", NOW - 3600, 3600),
    ("age_le", [NOW, NOW - 10], 60),
]
FAILS: list[tuple[str, Any, Any]] = [
    ("eq", "No", "no"),
    ("eq", None, "no"),
    ("eq", "1", True),
    ("eq", 1, True),
    ("eq", False, 0),
    ("eq", "8", "8.0"),
    ("ne", "8", 8),
    ("in", None, ["no"]),
    ("in", True, [1]),
    ("ge", None, 0),
    ("ge", "many", 0),
    ("ge", "", 0),
    ("ge", True, 0),
    ("ge", [9], 8),
    ("ge", float("nan"), 0),
    ("le", None, 5),
    ("le", "5 attempts", 5),
    ("between", "0", [1, 900]),
    ("between", None, [0, 900]),
    ("match", None, ".*"),
    ("match", ["nullok"], "nullok"),
    ("nmatch", ["x", "nullok"], "nullok"),
    ("present", [], True),
    ("empty", ["x"], True),
    ("subset", ["a", "z"], ["a"]),
    ("superset", None, ["a"]),
    ("disjoint", ["3des", "aes"], ["3des"]),
    ("mode_le", "0644", "0640"),
    ("mode_le", "4600", "0600"),
    ("mode_le", ["0600", "0604"], "0600"),
    ("mode_le", None, "0777"),
    ("mode_le", "rw-", "0777"),
    ("all_in", ["y", "1"], ["y"]),
    ("all_le", [1, None], 2),
    ("all_ge", ["x"], 1),
    ("all_match", ["ab", None], "^a"),
    ("contains", "nosuidx", "nosuid"),
    ("contains", None, "x"),
    ("age_le", None, 10**12),
    ("age_le", [], 10**12),
    ("age_le", NOW - 3601, 3600),
]


@pytest.mark.parametrize(("name", "value", "operand"), PASSES)
def test_passes(name: str, value: Any, operand: Any) -> None:
    assert judge({name: operand}, value, NOW)


@pytest.mark.parametrize(("name", "value", "operand"), FAILS)
def test_fails(name: str, value: Any, operand: Any) -> None:
    assert not judge({name: operand}, value, NOW)


def test_every_operator_is_in_both_tables() -> None:
    assert {name for name, _v, _o in PASSES} == set(OPERATORS)
    assert {name for name, _v, _o in FAILS} == set(OPERATORS)


def test_all_operators_of_an_expectation_must_hold() -> None:
    assert judge({"ge": 1, "le": 5}, "5", NOW)
    assert not judge({"ge": 1, "le": 5}, "0", NOW)


@pytest.mark.parametrize(
    ("name", "operand"),
    [
        ("in", "no"),
        ("ge", "eight"),
        ("between", [1]),
        ("match", "("),
        ("present", "yes"),
        ("mode_le", 600),
        ("nonsense", 1),
    ],
)
def test_an_operand_that_makes_no_sense_is_an_error_not_a_verdict(name: str, operand: Any) -> None:
    with pytest.raises(BadOperand, match=name):
        judge({name: operand}, "x", NOW)


SCALARS = st.none() | st.booleans() | st.integers(-999, 999) | st.text(max_size=5)
VALUES = SCALARS | st.lists(SCALARS, max_size=4)


@given(VALUES, SCALARS)
def test_ne_is_the_opposite_of_eq(value: Any, operand: Any) -> None:
    assert judge({"eq": operand}, value, NOW) != judge({"ne": operand}, value, NOW)


@given(VALUES)
def test_empty_is_the_opposite_of_present(value: Any) -> None:
    assert judge({"present": True}, value, NOW) != judge({"empty": True}, value, NOW)


@given(VALUES, st.integers(-999, 999), st.integers(-999, 999))
def test_between_is_ge_and_le(value: Any, low: int, high: int) -> None:
    both = judge({"ge": low, "le": high}, value, NOW)
    assert judge({"between": [low, high]}, value, NOW) == both


@given(st.lists(SCALARS, max_size=5), st.lists(SCALARS, max_size=5))
def test_subset_and_disjoint_agree_only_on_the_empty_list(value: Any, operand: Any) -> None:
    inside = judge({"subset": operand}, value, NOW)
    outside = judge({"disjoint": operand}, value, NOW)
    assert (inside and outside) == (not value)


@given(st.integers(0, 0o7777), st.integers(0, 0o7777))
def test_mode_le_is_bit_by_bit(seen: int, allowed: int) -> None:
    verdict = judge({"mode_le": f"{allowed:04o}"}, f"{seen:04o}", NOW)
    assert verdict == (seen | allowed == allowed)
