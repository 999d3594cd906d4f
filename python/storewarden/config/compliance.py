# SPDX-License-Identifier: GPL-3.0-or-later
"""The section `compliance:` of `storewarden.yml`: drift tickets and fixes by force.

What counts as compliant, when a ticket is due and after how many bad months a device is fixed
by force are the guide's rules and no settings.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

_NUMBER = re.compile(r"[A-Z][A-Z0-9]{0,11}-\d{8}-\d{3,9}")


def _change(value: str) -> str:
    if not _NUMBER.fullmatch(value):
        raise ValueError("must be the number of a change, like GMBG-20260601-001")
    return value


class ComplianceConfig(BaseModel):
    """``standing_change`` is the approved standing change under which fixes of risk R0 and R1
    are made by force; without one each of them waits for approval. ``owner`` is the person who
    owns the changes that are opened for this."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    drift_tickets: bool = True
    forced_fix: bool = True
    standing_change: Annotated[str, AfterValidator(_change)] | None = None
    owner: str = ""
