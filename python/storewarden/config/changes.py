# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``changes`` section: numbers, who has to approve what, and what an emergency owes.

The defaults are those of ``domain.change.rules``, which are the guide's; a key that is left
out keeps its default, so a site writes down only what it does differently. Rules that
nobody could decide by are refused when the file is read, not when the first change is opened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from storewarden.domain.change.record import Risk
from storewarden.domain.change.rules import (
    BY_RISK,
    MAJOR_ALSO,
    SYSTEM_OWNER,
    ApprovalRules,
    approval_table,
    rule_objections,
)

_ROLE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PREFIX = re.compile(r"[A-Z][A-Z0-9]{0,11}")


def _prefix(value: str) -> str:
    if not _PREFIX.fullmatch(value):
        raise ValueError("must be 1-12 capital letters and digits, like GMBG")
    return value


def _role(value: str) -> str:
    if not _ROLE.fullmatch(value):
        raise ValueError("must be a role of the people file, like operations_lead")
    return value


def _roles(value: object) -> object:
    if isinstance(value, str):
        raise ValueError("must be a list, like [operations_lead, security_lead]")
    return tuple(value) if isinstance(value, list) else value


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("must name at least one role")
    return value


def _duration(value: int) -> int:
    if not 1 <= value <= 366:
        raise ValueError("must be 1-366")
    return value


def _hours(value: int) -> int:
    if not 0 <= value <= 366 * 24:
        raise ValueError("must be 0-8784")
    return value


def _override(value: int) -> int:
    if not 1 <= value <= 7:
        raise ValueError("must be 1-7")
    return value


Role = Annotated[str, AfterValidator(_role)]
AnyRoles = Annotated[tuple[Role, ...], BeforeValidator(_roles)]
Roles = Annotated[AnyRoles, AfterValidator(_some)]
Count = Annotated[int, AfterValidator(_duration)]
Hours = Annotated[int, AfterValidator(_hours)]


class ApprovalsConfig(BaseModel):
    """Roles that must all say yes, by risk; each through another person (guide 2.5.2).

    ``major`` are asked besides (guide 2.5.1); ``minor`` instead, where the risk is low
    (guide 12.1.2).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    low: Roles = BY_RISK[Risk.LOW]
    medium: Roles = BY_RISK[Risk.MEDIUM]
    high: Roles = BY_RISK[Risk.HIGH]
    major: AnyRoles = MAJOR_ALSO
    minor: Roles = (SYSTEM_OWNER,)


class ApprovalHours(BaseModel):
    """How soon a request is answered before approvers are reminded, by risk (guide 1.5.3)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    low: Hours = 4
    medium: Hours = 4
    high: Hours = 2


class StartHours(BaseModel):
    """How soon work begins after approval before the owner is reminded, by risk (guide 1.5.3)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    low: Hours = 72
    medium: Hours = 24
    high: Hours = 4


class ChangesConfig(BaseModel):
    """Durations are whole days or hours, as their names say."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    prefix: Annotated[str, AfterValidator(_prefix)] = "GMBG"  # guide 2.5.2
    approval_days: Count = 7
    override_days: Annotated[int, AfterValidator(_override)] = 7
    paperwork_hours: Count = 24  # guide 2.5.1
    test_hours: Count = 48  # guide 1.3.6
    remind_before_hours: Hours = 4
    remind_every_hours: Hours = 24
    approval_hours: ApprovalHours = ApprovalHours()
    start_hours: StartHours = StartHours()
    approvals: ApprovalsConfig = ApprovalsConfig()

    @model_validator(mode="after")
    def _fit_to_decide_by(self) -> ChangesConfig:
        objections = rule_objections(self.rules)
        if objections:
            raise ValueError("; ".join(objections))
        return self

    @property
    def rules(self) -> ApprovalRules:
        """What decisions are made by."""
        return ApprovalRules(
            required=approval_table(self._by_risk, self.approvals.major, self.approvals.minor),
            validity=timedelta(days=self.approval_days),
            override_longest=timedelta(days=self.override_days),
            approval_target=_by_risk(self.approval_hours),
            start_target=_by_risk(self.start_hours),
            remind_before=timedelta(hours=self.remind_before_hours),
            remind_every=timedelta(hours=self.remind_every_hours),
            approval_due=timedelta(hours=self.paperwork_hours),
            paperwork_due=timedelta(hours=self.paperwork_hours),
            test_due=timedelta(hours=self.test_hours),
        )

    @property
    def _by_risk(self) -> Mapping[Risk, tuple[str, ...]]:
        asked = self.approvals
        return MappingProxyType(
            {Risk.LOW: asked.low, Risk.MEDIUM: asked.medium, Risk.HIGH: asked.high}
        )


def _by_risk(hours: ApprovalHours | StartHours) -> Mapping[Risk, timedelta]:
    return MappingProxyType({risk: timedelta(hours=getattr(hours, risk.value)) for risk in Risk})
