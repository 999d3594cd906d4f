# SPDX-License-Identifier: GPL-3.0-or-later
"""Which gaps are told one by one, and which as one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.backup.catalog import Target
from storewarden.domain.backup.freshness import Coverage, Standing
from storewarden.domain.backup.gaps import GapKey, key_of, told_as

MANY = GapKey(host="", policy="pos", word="")


def gap(host: int, word: Coverage = Coverage.NEVER, policy: str = "pos") -> Standing:
    target = Target(host=f"s{host:06}-pos01", policy=policy)
    return Standing(target=target, coverage=word, en="why", zh="原因")


def test_a_few_are_told_one_by_one_and_what_is_fine_is_not() -> None:
    told = told_as([gap(1), gap(2, Coverage.LATE), gap(3, Coverage.OK)], set(), bound=3)
    assert list(told) == [key_of(gap(1)), key_of(gap(2, Coverage.LATE))]
    assert key_of(gap(1)).fault == "backup:pos@s000001-pos01"


def test_very_many_of_a_policy_are_one_and_of_another_still_themselves() -> None:
    told = told_as([*map(gap, range(3000)), gap(1, policy="files")], set())
    assert set(told) == {MANY, key_of(gap(1, policy="files"))}
    assert len(told[MANY]) == 3000 and MANY.fault == "backup:pos"


def test_what_was_told_by_itself_stays_so_when_more_come() -> None:
    """Its incident must not close because it is one of many now."""
    first = [gap(1), gap(2)]
    told = told_as([*first, *map(gap, range(3, 60))], {key_of(each) for each in first})
    assert set(told) == {key_of(first[0]), key_of(first[1]), MANY}
    assert len(told[MANY]) == 57


def test_many_stay_many_until_the_last_of_them_is_gone() -> None:
    assert set(told_as([gap(7)], {MANY})) == {MANY}
    assert told_as([gap(7, Coverage.OK)], {MANY}) == {}


@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from(Coverage)),
        max_size=9,
        unique_by=lambda e: e[0],
    ),
    st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from(Coverage)),
        max_size=9,
        unique_by=lambda e: e[0],
    ),
    st.booleans(),
)
def test_every_gap_is_told_exactly_once_and_nothing_else(
    now: list[tuple[int, Coverage]], before: list[tuple[int, Coverage]], many: bool
) -> None:
    standings = [gap(*each) for each in now]
    firing = {key_of(gap(*each)) for each in before} | ({MANY} if many else set())
    told = told_as(standings, firing, bound=4)
    behind = [each for gaps in told.values() for each in gaps]
    assert sorted(behind, key=str) == sorted(
        (each for each in standings if each.coverage is not Coverage.OK), key=str
    )
    assert told_as(standings, told.keys(), bound=4).keys() == told.keys()
