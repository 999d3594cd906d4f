# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``healing.incidents`` section: what incidents are held to, and what depends on what.

Without it the guide's own table counts (guide 2.3.1). A promise is named by kind and priority:
"down high", "degraded low", "security medium".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from storewarden.domain.healing.rule import Impact, Kind
from storewarden.domain.healing.sla import IncidentPolicy, Promise

_CELLS = {f"{kind.value} {impact.value}": (kind, impact) for kind in Kind for impact in Impact}


class _Section(BaseModel):
    """Frozen and strict: "60" is not 60, and nothing unknown passes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _between(low: int, high: int) -> AfterValidator:
    def check(value: int) -> int:
        if not low <= value <= high:
            raise ValueError(f"must be {low}-{high}")
        return value

    return AfterValidator(check)


def _cells(value: object) -> object:
    if isinstance(value, dict):
        for name in value:
            if name not in _CELLS:
                raise ValueError(f"{name!r} is none of: {', '.join(sorted(_CELLS))}")
    return value


def _lists(value: object) -> object:
    """YAML's lists as tuples; a single text is no list."""
    if not isinstance(value, dict):
        return value
    return {key: tuple(each) if isinstance(each, list) else each for key, each in value.items()}


Minutes = Annotated[int, _between(1, 60 * 24 * 60)]


class PromiseConfig(_Section):
    """Until when somebody has looked, and until when it is solved, from its beginning on."""

    answer_minutes: Minutes
    solve_minutes: Minutes

    @model_validator(mode="after")
    def _in_order(self) -> PromiseConfig:
        if self.solve_minutes < self.answer_minutes:
            raise ValueError("solve_minutes must not be less than answer_minutes")
        return self


class IncidentsConfig(_Section):
    """``promises`` replaces single cells of the guide's table. ``depends`` maps a configuration
    item to those that depend on it."""

    promises: Annotated[dict[str, PromiseConfig], BeforeValidator(_cells)] = {}
    warn_percent: Annotated[int, _between(1, 99)] = 80
    confirm_minutes: Minutes = 120  # guide 2.3
    same: Annotated[int, _between(2, 100)] = 3  # guide 2.4.3
    same_days: Annotated[int, _between(1, 366)] = 30
    major: Annotated[int, _between(1, 100)] = 3  # guide 2.4.1
    depends: Annotated[dict[str, tuple[str, ...]], BeforeValidator(_lists)] = {}

    @property
    def policy(self) -> IncidentPolicy:
        """As the domain takes it."""
        return IncidentPolicy(
            promises=dict(self._promised()),
            warn_share=Fraction(self.warn_percent, 100),
            confirm=timedelta(minutes=self.confirm_minutes),
            same=self.same,
            same_span=timedelta(days=self.same_days),
            major=self.major,
        )

    def _promised(self) -> Mapping[tuple[Kind, Impact], Promise]:
        return {
            _CELLS[name]: Promise(
                answer=timedelta(minutes=each.answer_minutes),
                solve=timedelta(minutes=each.solve_minutes),
            )
            for name, each in self.promises.items()
        }
