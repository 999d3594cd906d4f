# SPDX-License-Identifier: GPL-3.0-or-later
"""What heal actions there are, as their roles say it of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storewarden.domain.healing.action import HealAction


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedAction:
    """One action: what decisions need, its ``summary`` by language, and the names of ``alerts``
    that it answers by default."""

    action: HealAction
    summary: Mapping[str, str]
    alerts: tuple[str, ...] = ()
