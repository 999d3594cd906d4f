# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of an audit: one module per format, each with one ``render(report, page)``.

A format is found by its file name, so a new one is a file here and a member of
``storewarden.ports.reports.Format``.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from storewarden.ports.reports import Format, Renderer


def renderer(shape: Format) -> Renderer:
    """The renderer of ``shape``."""
    module = import_module(f"{__name__}.{shape.value}")
    return cast("Renderer", module.render)
