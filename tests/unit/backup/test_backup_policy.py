# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide's numbers, and which set is due when."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from storewarden.domain.backup.policy import (
    CONTROLLER,
    TIER_RULES,
    BackupTier,
    Method,
    Selector,
    SetKind,
    with_controller,
)
from storewarden.domain.backup.schedule import due_set, through_the_day
from storewarden.domain.estate.device import Device, Tier
from tests.unit.backup.policies import policy

SUNDAY, MONDAY, FIRST = date(2026, 11, 22), date(2026, 11, 23), date(2026, 12, 1)


@pytest.mark.parametrize(
    ("tier", "night", "kind"),
    [
        (BackupTier.POS_DATABASE, MONDAY, SetKind.FULL),
        (BackupTier.CORE_DATABASE, MONDAY, SetKind.INCREMENTAL),
        (BackupTier.CORE_DATABASE, SUNDAY, SetKind.DIFFERENTIAL),
        (BackupTier.CORE_DATABASE, FIRST, SetKind.FULL),
        (BackupTier.ORDINARY, SUNDAY, SetKind.INCREMENTAL),
        (BackupTier.ORDINARY, FIRST, SetKind.FULL),
        (BackupTier.CORE_NETWORK, MONDAY, SetKind.FULL),
        (BackupTier.SERVER_CONFIG, SUNDAY, SetKind.FULL),
        (BackupTier.SECURITY_DEVICE, SUNDAY, SetKind.FULL),
    ],
)
def test_the_strongest_set_of_a_night_is_taken(
    tier: BackupTier, night: date, kind: SetKind
) -> None:
    due = due_set(policy(tier), night)
    assert due is not None
    assert due.kind is kind


def test_nothing_is_due_on_a_night_without_a_step() -> None:
    assert due_set(policy(BackupTier.ORDINARY), MONDAY) is None


def test_a_broken_chain_begins_anew_with_a_full_set() -> None:
    due = due_set(policy(BackupTier.CORE_DATABASE), MONDAY, chain=False)
    assert due is not None
    assert due.kind is SetKind.FULL
    assert "no complete chain" in due.en


def test_core_databases_ship_their_log_every_four_hours() -> None:
    (step,) = through_the_day(policy(BackupTier.CORE_DATABASE))
    assert (step.kind, step.period) == (SetKind.LOG, timedelta(hours=4))


def test_the_guide_s_retention() -> None:
    days = {tier: rule.retention.keep.days for tier, rule in TIER_RULES.items()}
    assert days[BackupTier.ORDINARY] >= 182
    assert days[BackupTier.CORE_DATABASE] >= 5 * 365
    assert days[BackupTier.CORE_NETWORK] >= 365
    assert days[BackupTier.SERVER_CONFIG] >= 91
    assert TIER_RULES[BackupTier.POS_DATABASE].retention.fulls == 7


def test_a_selector_takes_what_fits_every_part_of_it() -> None:
    till = Device(name="s1-pos01", role="pos", region="east", store="000001", tier=Tier.CORE)
    assert Selector().fits(till)
    assert Selector(roles=("pos", "server"), regions=("east",)).fits(till)
    assert not Selector(roles=("pos",), regions=("west",)).fits(till)
    assert Selector(tiers=("core",)).fits(till)
    assert Selector(groups=("tills",)).fits(till, ("tills", "all"))
    assert not Selector(groups=("tills",)).fits(till)


def test_the_record_binds_the_controller_alone_and_nothing_else_does() -> None:
    till, named = Device(name="pos01", role="pos"), Device(name="controller", role="server")
    record = policy(BackupTier.SERVER_CONFIG, method=Method.LEDGER)
    files = policy(BackupTier.ORDINARY, method=Method.FILES)
    assert with_controller([till], [files]) == (till,)
    assert with_controller([till], [files, record]) == (till, CONTROLLER)
    assert with_controller([named], [record]) == (named,)
    assert [record.binds(each) for each in (till, CONTROLLER, named)] == [False, True, True]
    assert [files.binds(each) for each in (till, CONTROLLER, named)] == [True, False, True]
