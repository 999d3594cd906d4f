# SPDX-License-Identifier: GPL-3.0-or-later
"""What a heal action says of itself, as far as a decision cares: its ``meta/heal.yml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from storewarden.domain.change.record import Risk
from storewarden.domain.maintenance.grounds import OperationClass


class VerifyBy(StrEnum):
    """What says that a host is well again."""

    ALERT = "alert"  # the alert's own expression must be quiet as well
    HOST = "host"  # the host alone: monitoring cannot see the fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often one host may be repaired; None leaves it to the site. Only ever stricter."""

    cooldown: timedelta | None = None
    per_6h: int | None = None
    per_24h: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealAction:
    """One action. ``needs`` is how long it takes on a host at most, all phases together.

    ``operation`` is what it does as far as anybody knows before it has looked; ``may_become`` are
    the classes that its diagnosis may find instead (what is up, and does not answer).

    ``options`` maps the names of its options to whether they must be given: by the rule, or by the
    host itself (``heal_host_options``), which only the run can tell.
    """

    name: str
    risk: Risk
    operation: OperationClass
    disruptive: bool
    idempotent: bool = False
    needs: timedelta = timedelta(minutes=5)
    limits: Limits = field(default_factory=Limits)
    verify: VerifyBy = VerifyBy.ALERT
    options: Mapping[str, bool] = field(default_factory=dict)
    may_become: tuple[OperationClass, ...] = ()
