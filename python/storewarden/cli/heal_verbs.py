# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of ``storewarden heal`` that have files of their own, behind the others in its help."""

from __future__ import annotations

from storewarden.cli.heal import heal
from storewarden.cli.heal_import import import_
from storewarden.cli.heal_pause import pause, resume
from storewarden.cli.heal_statistics import statistics

heal.command()(pause)
heal.command()(resume)
heal.command()(statistics)
heal.command("import")(import_)

__all__ = ["heal"]
