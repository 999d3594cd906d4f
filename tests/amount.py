# SPDX-License-Identifier: GPL-3.0-or-later
"""How much chance is tried: all of it in ``make test``, a fifth in ``make check``."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_QUICK = bool(os.environ.get("STOREWARDEN_QUICK_TESTS"))
_USUAL = 100  # Hypothesis' own number of examples


def examples(number: int) -> int:
    """``number`` examples, or a fifth of them where somebody waits for the answer."""
    return max(5, number // 5) if _QUICK else number


def choose() -> None:
    """The profile of every test that does not say otherwise.

    No limit of time per example: the machine may be busy, and slow is not wrong.
    """
    slow = [HealthCheck.too_slow]
    steps = {"stateful_step_count": 20} if _QUICK else {}
    settings.register_profile(
        "house", max_examples=examples(_USUAL), deadline=None, suppress_health_check=slow, **steps
    )
    settings.load_profile("house")
