# SPDX-License-Identifier: GPL-3.0-or-later
"""What the installed collection holds, as its own loader tells it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from storewarden.domain.baseline.control import Control


class Content(Protocol):
    """The catalogue of controls."""

    def controls(
        self, selection: Sequence[str] = (), *, extra: Sequence[Path] = ()
    ) -> tuple[Control, ...]:
        """Controls matching ``selection`` (ids or patterns like ``B*``; empty = all), in id order.

        ``extra`` are folders with the site's own controls.
        Raises ConfigInvalid for a pattern that matches nothing and for broken control files
        (file and line), ContentMissing when the collection is not installed.
        """
        ...
