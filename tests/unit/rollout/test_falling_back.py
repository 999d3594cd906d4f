# SPDX-License-Identifier: GPL-3.0-or-later
"""No change is begun on a host without a backup to fall back on; the others go on."""

from __future__ import annotations

from storewarden.domain.rollout.record import Hold
from tests.unit.rollout.chain import Driver, H, R

WHY = ("pos: there is no set (storewarden backup run)", "pos：没有备份集")


def _lacking(driver: Driver, number: int) -> dict[str, tuple[str, str]]:
    return dict.fromkeys(sorted(driver.rollout.hosts)[:number], WHY)


def test_a_host_without_a_backup_is_not_begun_and_the_others_are() -> None:
    driver = Driver(waves=(2,))
    lacking = _lacking(driver, 1)
    (name,) = lacking
    for _ in range(6):
        driver.tick(uncovered=lacking)
        driver.finish()
    assert driver.host(name).state is H.PLANNED
    assert driver.states(H.VERIFYING, H.SOAKING, H.CAPTURED, H.APPLYING, H.AT_TARGET)


def test_a_wave_that_lacks_all_backups_is_paused_with_a_name_and_goes_on_by_itself() -> None:
    driver = Driver(waves=(1,))
    lacking = _lacking(driver, len(driver.rollout.hosts))
    step = driver.tick(uncovered=lacking)
    rollout = driver.rollout
    assert (rollout.state, rollout.hold) == (R.PAUSED, Hold.BACKUP)
    assert not rollout.dispatches
    said = [f"{name}: pos: there is no set (storewarden backup run)" for name in lacking]
    assert rollout.held.endswith(tuple(said)) and rollout.held.startswith(f"{len(lacking)} hosts")
    assert rollout.held_zh.endswith("pos：没有备份集")
    assert step.look_at is not None and (step.look_at - driver.now).total_seconds() <= 300
    driver.passes(5)
    driver.tick(uncovered=lacking)
    assert driver.rollout.state is R.PAUSED
    assert not driver.orders("resume")  # nobody resumes what lacks backups
    driver.passes(5)
    driver.tick()
    assert driver.rollout.state is R.RUNNING and driver.rollout.dispatches


def test_a_backup_that_comes_for_one_host_lets_that_one_begin() -> None:
    driver = Driver(waves=(1,))
    lacking = _lacking(driver, len(driver.rollout.hosts))
    driver.tick(uncovered=lacking)
    freed = sorted(lacking)[0]
    lacking.pop(freed)
    driver.passes(5)
    driver.tick(uncovered=lacking)
    begun = {name for each in driver.rollout.dispatches.values() for name in each.hosts}
    assert begun == {freed}


def test_what_was_begun_is_ended_whatever_its_backups_are() -> None:
    driver = Driver(waves=(1,))
    driver.tick()
    driver.finish()
    assert driver.states(H.CAPTURED)
    lacking = _lacking(driver, len(driver.rollout.hosts))
    for _ in range(8):
        driver.tick(uncovered=lacking)
        driver.finish()
    assert not driver.states(H.CAPTURED, H.APPLYING, H.VERIFYING)
