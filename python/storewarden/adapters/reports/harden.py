# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of a hardening: a module ``harden_<format>`` per format, found by its name."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from storewarden.ports.harden import HardenFormat, HardenRenderer


def renderer(shape: HardenFormat) -> HardenRenderer:
    """The renderer of ``shape``."""
    module = import_module(f"storewarden.adapters.reports.harden_{shape.value}")
    return cast("HardenRenderer", module.render)
