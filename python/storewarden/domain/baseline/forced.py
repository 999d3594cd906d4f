# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes by force: what has to happen to devices that were off the baseline two months running.

The rules (guide 2.2.5; reference: hardening, forced fix):

* fixes of risk R0 and R1 are made by force in the next window, R2 and R3 wait for approval
  and begin with one device;
* a device that nobody could look at gets a ticket and is not touched: who cannot see a device
  does not know what a fix would do there;
* one that fails only what no machine can fix gets a ticket as well;
* there is one plan per device and closed month; a device that is still bad although the month
  before led to such a plan gets a problem ticket besides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from storewarden.domain.baseline.compliance import DeviceMonth, FleetMonth, Month, Standing
from storewarden.domain.baseline.control import Control, Risk

AUTOMATIC = (Risk.R0, Risk.R1)
"""Risks that need nobody's yes for this device: a standing change gave it for all."""

RISKS = tuple(Risk)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedWork:
    """Some devices of one month, with the controls to be fixed on each."""

    fixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    risk: Risk = Risk.R0
    """The highest of its fixes."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The devices, in the inventory's order."""
        return tuple(self.fixes)

    @property
    def controls(self) -> tuple[str, ...]:
        """All controls that are fixed anywhere, in order."""
        return tuple(sorted({control for some in self.fixes.values() for control in some}))


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedPlan:
    """What follows from a closed month.

    ``by_hand`` are devices with nothing that a machine could fix, ``still`` those that are bad
    although they were planned to be fixed the month before.
    """

    month: Month
    automatic: ForcedWork = ForcedWork()
    approval: ForcedWork = ForcedWork()
    by_hand: tuple[DeviceMonth, ...] = ()
    still: tuple[DeviceMonth, ...] = ()

    @property
    def empty(self) -> bool:
        """Nothing has to happen."""
        return not (self.automatic.fixes or self.approval.fixes or self.by_hand or self.still)


def forced_plan(
    fleet: FleetMonth, controls: Mapping[str, Control], planned_before: Sequence[str] = ()
) -> ForcedPlan:
    """The plan for a closed month; ``planned_before`` are the devices of the last one."""
    due = fleet.standing(Standing.BAD2, Standing.BAD_AGAIN)
    seen = [each for each in due if each.audit]
    automatic = {each.device.host: _fixable(each, controls, automatic=True) for each in seen}
    approval = {each.device.host: _fixable(each, controls, automatic=False) for each in seen}
    return ForcedPlan(
        month=fleet.month,
        automatic=_work(automatic, controls),
        approval=_work(approval, controls),
        by_hand=tuple(
            each for each in seen if not (automatic[each.device.host] or approval[each.device.host])
        ),
        still=tuple(each for each in seen if each.device.host in set(planned_before)),
    )


def _fixable(
    device: DeviceMonth, controls: Mapping[str, Control], *, automatic: bool
) -> tuple[str, ...]:
    """The controls that failed there, that a machine can fix, of one of the two sorts of risk."""
    found = (controls[name] for name in device.failing if name in controls)
    return tuple(
        control.id
        for control in found
        if control.fix_group and not control.fix_manual and (control.risk in AUTOMATIC) is automatic
    )


def _work(fixes: Mapping[str, tuple[str, ...]], controls: Mapping[str, Control]) -> ForcedWork:
    kept = {host: names for host, names in fixes.items() if names}
    risks = [RISKS.index(controls[name].risk) for names in kept.values() for name in names]
    return ForcedWork(fixes=kept, risk=RISKS[max(risks, default=0)])


def batches(
    hosts: Sequence[str], size: int, done: Sequence[str] = ()
) -> tuple[tuple[str, ...], ...]:
    """The devices one after the other: the first alone, so that a fix that harms harms one."""
    left = [host for host in hosts if host not in set(done)]
    first = [] if done else [tuple(left[:1])]
    rest = left if done else left[1:]
    parts = (tuple(rest[start : start + size]) for start in range(0, len(rest), size))
    return tuple(part for part in (*first, *parts) if part)
