# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``tickets`` section: which system, in which language; the rest is the system's own.

``system`` and ``language`` are ours. All other keys go unread to the adapter, which refuses
what it does not know as ``tickets.<system>.<key>``: this room knows no adapters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

LOCAL = "local"


def _name(value: str) -> str:
    if not value.isidentifier() or not value.isascii():
        raise ValueError("must be the name of a ticket system, like roundup")
    return value


class TicketsConfig(BaseModel):
    """``language`` None: the site's. ``settings`` are the keys of the chosen system."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    system: Annotated[str, AfterValidator(_name)] = LOCAL
    language: Literal["en", "zh"] | None = None

    @property
    def settings(self) -> Mapping[str, object]:
        """What the adapter reads."""
        return dict(self.model_extra or {})
