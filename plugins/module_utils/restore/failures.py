# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can go wrong, as one line for people.

A refusal is the host's own no (fence, late word, damaged pack) and no defect; everything else
that ends a verb is a failure. Neither leaves anything applied.
"""

from __future__ import annotations


class RestoreError(Exception):
    """A verb could not be carried out; its text is one clear line."""


class Refused(RestoreError):
    """The host says no; `report` is what it knows of the pack, for the caller's journal."""

    def __init__(self, text: str, report: dict[str, object] | None = None) -> None:
        super().__init__(text)
        self.report = report or {}


class BadItem(RestoreError):
    """A declared item that cannot be meant."""


class CaptureFailed(RestoreError):
    """An item could not be taken into the pack."""


class PackDamaged(RestoreError):
    """Something in a pack is not what was written there."""
