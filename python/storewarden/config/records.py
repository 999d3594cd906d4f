# SPDX-License-Identifier: GPL-3.0-or-later
"""The section `records:` of `storewarden.yml`: how long evidence is kept at least.

Entries of the journal are kept for ever. Evidence older than this may be deleted, under an
approved change; nothing is deleted by itself.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

_THREE_YEARS = 1096  # days, one of them a leap day (guide 1.3.5: at least 3 years)


def _retention(value: int) -> int:
    if not _THREE_YEARS <= value <= 36525:
        raise ValueError(f"must be {_THREE_YEARS}-36525 (at least 3 years)")
    return value


class RecordsConfig(BaseModel):
    """``retention_days``: evidence of audits and changes is kept so long at least."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    retention_days: Annotated[int, AfterValidator(_retention)] = _THREE_YEARS

    @property
    def retention(self) -> timedelta:
        """How long evidence is kept."""
        return timedelta(days=self.retention_days)
