# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of a planned rollout: a module ``rollout_plan_<format>`` per format, by its name."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from storewarden.ports.rollout_reports import RolloutPlanFormat, RolloutPlanRenderer


def renderer(shape: RolloutPlanFormat) -> RolloutPlanRenderer:
    """The renderer of ``shape``."""
    module = import_module(f"storewarden.adapters.reports.rollout_plan_{shape.value}")
    return cast("RolloutPlanRenderer", module.render)
