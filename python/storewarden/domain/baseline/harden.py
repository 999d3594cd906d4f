# SPDX-License-Identifier: GPL-3.0-or-later
"""What hardening would do on a host, and what came of it.

A host is fixed in apply groups (ssh, pam, firewall, ...), each inside a restore point of its own:
so what came of a host is what came of each of its groups, and a group that was taken back leaves
the others as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class GroupOutcome(Enum):
    """How one apply group of one host ended; the words are those of the fix module."""

    PLANNED = "planned"  # only looked: this is what it would do
    UNCHANGED = "unchanged"  # the host has it already
    FIXED = "fixed"  # made, probed through a new connection, confirmed
    REFUSED = "refused"  # it would lock people out, or the host would not take a restore point
    UNDONE = "undone"  # made, the probe failed, taken back
    LOST = "lost"  # the host did not come back in time to be asked; it undoes by itself
    FAILED = "failed"  # could not be planned or made; nothing of it stays
    RESTORED = "restored"  # taken back on request (harden undo), or by the host itself
    RESIDUE = "residue"  # taken back as far as possible; the reason names the rest


_WELL = frozenset({GroupOutcome.FIXED, GroupOutcome.UNCHANGED})
_BACK = frozenset({GroupOutcome.RESTORED, GroupOutcome.UNDONE, GroupOutcome.UNCHANGED})


class HostState(Enum):
    """How far one host came."""

    NOTHING = "nothing"  # there was nothing to fix, so the host was not touched
    ANSWERED = "answered"  # the fix module reported; see the groups
    NOT_AUDITED = "not audited"  # nobody knows what would have to be fixed; not touched
    SKIPPED = "skipped"  # not tried: busy, or stopped before its turn; not touched
    UNREACHABLE = "unreachable"  # the connection went away
    FAILED = "failed"  # the play failed on it
    UNKNOWN = "unknown"  # the run ended while it was in the middle

    @property
    def untouched(self) -> bool:
        """Nothing was begun there."""
        return self in (HostState.NOTHING, HostState.NOT_AUDITED, HostState.SKIPPED)


class Standing(Enum):
    """What a host means for its change."""

    WELL = "well"  # as wanted: fixed or nothing to fix; after an undo: as it was
    MISSED = "missed"  # known, and not what was wanted: refused, failed, or taken back
    UNTOUCHED = "untouched"  # not tried
    OPEN = "open"  # lost or unknown: a debt until somebody has looked


@dataclass(frozen=True, slots=True, kw_only=True)
class FixChange:
    """One thing that is different afterwards; None is absent."""

    what: str
    before: object = None
    after: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlFix:
    """What the fix of one control does on one host.

    ``lockout`` says what could lock people out, ``problem`` why it was left out of its group; both
    by language.
    """

    control: str
    risk: str = ""
    changes: tuple[FixChange, ...] = ()
    reloads: tuple[str, ...] = ()
    restarts: tuple[str, ...] = ()
    lockout: Mapping[str, str] = field(default_factory=dict)
    problem: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFix:
    """One apply group on one host.

    ``restored_after`` are seconds from the deadline until the host had taken it back by itself;
    None when it did not.
    """

    group: str
    outcome: GroupOutcome
    restore_point: str = ""
    reason: Mapping[str, str] = field(default_factory=dict)
    controls: tuple[ControlFix, ...] = ()
    restored_after: float | None = None
    milliseconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFix:
    """One host; ``message`` is one line: why the run did not end well there; ``still`` are controls
    that were to be fixed and that the audit afterwards still found failing."""

    host: str
    state: HostState
    groups: tuple[GroupFix, ...] = ()
    message: str = ""
    still: tuple[str, ...] = ()

    def standing(self, *, back: bool = False) -> Standing:
        """What it means for the change; ``back`` when it was to be taken back."""
        outcomes = {group.outcome for group in self.groups}
        if {GroupOutcome.LOST, GroupOutcome.RESIDUE} & outcomes:
            return Standing.OPEN
        if self.state in (HostState.NOT_AUDITED, HostState.SKIPPED) and not self.groups:
            return Standing.UNTOUCHED
        if self.state not in (HostState.ANSWERED, HostState.NOTHING, HostState.SKIPPED):
            return Standing.OPEN
        if back:
            return Standing.WELL if outcomes <= _BACK else Standing.MISSED
        short = self.still or any(each.problem for group in self.groups for each in group.controls)
        return Standing.WELL if outcomes <= _WELL and not short else Standing.MISSED

    @property
    def silent(self) -> bool:
        """Whether it was not there to be worked on: away, or busy."""
        return not self.groups and self.state in (HostState.SKIPPED, HostState.UNREACHABLE)

    @property
    def warns(self) -> bool:
        """Whether others should wait until somebody has looked here: something was taken back
        because it did not work, or nobody knows. A group that could not be made warns nobody."""
        undone = any(group.outcome is GroupOutcome.UNDONE for group in self.groups)
        return undone or (self.standing() is Standing.OPEN and not self.silent)

    @property
    def cannot(self) -> frozenset[str]:
        """Controls that cannot be fixed there: their own problem, or their group's."""
        bad = (GroupOutcome.REFUSED, GroupOutcome.FAILED)
        return frozenset(
            each.control
            for group in self.groups
            for each in group.controls
            if each.problem or group.outcome in bad
        )

    def merged(self, groups: tuple[GroupFix, ...]) -> tuple[GroupFix, ...]:
        """Its groups with ``groups`` laid over them, in the order in which they came."""
        known = {group.group: group for group in self.groups}
        return tuple({**known, **{group.group: group for group in groups}}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """A whole run in short; hosts by what they mean, in order."""

    well: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    untouched: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    groups: Mapping[GroupOutcome, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Every host is as wanted."""
        return not self.left

    @property
    def left(self) -> tuple[str, ...]:
        """Hosts that are not as wanted: what a change that ends now leaves behind."""
        return (*self.open, *self.missed, *self.untouched)


def conclude(hosts: tuple[HostFix, ...], *, back: bool = False) -> Conclusion:
    """What came of all of them; ``back`` when they were to be taken back."""
    sorted_out: dict[Standing, list[str]] = {standing: [] for standing in Standing}
    groups: dict[GroupOutcome, int] = {}
    for host in hosts:
        sorted_out[host.standing(back=back)].append(host.host)
        for group in host.groups:
            groups[group.outcome] = groups.get(group.outcome, 0) + 1
    return Conclusion(
        well=tuple(sorted_out[Standing.WELL]),
        missed=tuple(sorted_out[Standing.MISSED]),
        untouched=tuple(sorted_out[Standing.UNTOUCHED]),
        open=tuple(sorted_out[Standing.OPEN]),
        groups=groups,
    )
