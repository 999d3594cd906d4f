# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a restore by pgBackRest begins and ends."""

from __future__ import annotations

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.failures import Unfit
from ansible_collections.storewarden.ops.plugins.module_utils.backup.order import Order
from ansible_collections.storewarden.ops.plugins.module_utils.backup.pgbackrest_aim import (
    aim_of,
    known_then,
    restore_words,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.pgbackrest_facts import Backup
from ansible_collections.storewarden.ops.plugins.module_utils.backup.pgbackrest_store import Kept
from ansible_collections.storewarden.ops.plugins.module_utils.backup.work import Work


def backup(label: str, kind: str, taken: float, *needs: str) -> Backup:
    parent = needs[-1] if needs else ""
    last = "000000010000000000000007"
    return Backup(label, kind, parent, taken, 1, 1, needs, last, last, "15-1", wrong=False)


FULL = backup("F", "full", 100.0)
MORE = backup("I", "incremental", 200.0, "F")
LOG = backup("L", "log", 300.0, "F", "I")
THERE = {each.label: each for each in (FULL, MORE, LOG)}
KEPT = {each.label: Kept(each, {"of": each.label}, 1 << 24, "") for each in THERE.values()}


def work(name: str, point: float = 0.0) -> Work:
    order = Order(
        run="r", verb="restore", host="h", policy="p", method="pgbackrest", source={},
        repository="/r", sets=(name,), point=point,
    )  # fmt: skip
    return Work(order, "/nowhere")


def words(name: str, point: float = 0.0) -> list[str]:
    asked = work(name, point)
    return restore_words(asked, aim_of(asked, THERE), "/s/data", "/s")


def test_a_set_brings_what_it_held_and_nothing_of_later() -> None:
    assert {"--set=I", "--type=immediate"} <= set(words("I"))
    assert {"--set=I", "--type=name", "--target=L"} <= set(words("L"))


def test_a_set_stays_on_its_own_timeline() -> None:
    for name in THERE:
        assert "--recovery-option=recovery_target_timeline=current" in words(name)


@pytest.mark.parametrize(("point", "begins"), [(150.0, "F"), (200.0, "I"), (250.5, "I")])
def test_a_moment_begins_with_the_newest_backup_before_it(point: float, begins: str) -> None:
    found = words("L", point)
    assert {f"--set={begins}", "--type=time"} <= set(found)
    known = known_then(work("L", point), KEPT)
    assert known is not None
    assert known.backup.label == begins


def test_a_moment_has_its_fraction_in_utc() -> None:
    assert "--target=1970-01-01 00:04:10.500000+00" in words("L", 250.5)


def test_a_moment_before_the_full_set_is_refused() -> None:
    with pytest.raises(Unfit, match="an older set is needed"):
        aim_of(work("L", 99.0), THERE)
