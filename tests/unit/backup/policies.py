# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies for the tests of this folder."""

from __future__ import annotations

from datetime import time

from storewarden.domain.backup.policy import (
    TIER_RULES,
    BackupTier,
    CopyWanted,
    Method,
    Policy,
    Selector,
)


def policy(tier: BackupTier, **more: object) -> Policy:
    rule = TIER_RULES[tier]
    given = {
        "id": tier.value,
        "tier": tier,
        "method": Method.PGBACKREST,
        "selector": Selector(),
        "window": (time(23), time(6)),
        "schedule": rule.schedule,
        "rpo": rule.rpo,
        "rto": rule.rto,
        "copies": tuple(CopyWanted(location=f"place-{n}") for n in range(rule.copies)),
        "retention": rule.retention,
        "verify": rule.verify,
        "drill": rule.drill,
    }
    return Policy(**(given | more))  # type: ignore[arg-type]
