# SPDX-License-Identifier: GPL-3.0-or-later
"""What was done on a change, read from the journal alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo

from storewarden.domain.baseline.drift import ChangeSpan
from storewarden.domain.baseline.harden import GroupFix, GroupOutcome, HostFix, HostState, Standing
from storewarden.domain.baseline.restored import UndoRecord
from storewarden.flows.harden_journal import HardenJournal
from storewarden.flows.harden_records import recorded, told
from storewarden.ports.harden import Deed, HardenStatus, SessionTale
from storewarden.ports.ledger import Ledger

_HELD = frozenset({GroupOutcome.FIXED, GroupOutcome.LOST, GroupOutcome.RESIDUE})


def status(ledger: Ledger, change: str, *, state: str = "", zone: tzinfo = UTC) -> HardenStatus:
    """All sessions of the change and where its hosts are now; empty when there was none."""
    tales = HardenJournal(ledger).tales(change)
    records = _records(ledger, tales)
    return HardenStatus(
        change=change,
        state=state,
        sessions=tales,
        hosts=tuple(_with_records(host, records) for host in _now(tales)),
        records=records,
        zone=zone,
    )


def holding(found: HardenStatus) -> tuple[str, ...]:
    """Hosts that hold something of the change, as far as anybody knows."""
    return tuple(
        host.host
        for host in found.hosts
        if any(group.outcome in _HELD for group in host.groups) or host.standing() is Standing.OPEN
    )


def groups_held(found: HardenStatus) -> int:
    """The largest number of groups that one host holds."""
    return max((len(host.groups) for host in found.hosts), default=0)


def worked(ledger: Ledger, change: str) -> tuple[ChangeSpan, ...]:
    """When sessions of the change worked on which hosts; open ended while one is under way."""
    return tuple(
        ChangeSpan(
            number=change,
            hosts=frozenset(host.host for host in tale.hosts),
            start=tale.at,
            until=tale.ended,
        )
        for tale in HardenJournal(ledger).tales(change)
    )


def audit_before(found: HardenStatus, host: str) -> str:
    """The audit that saw the host before the change touched it; "" when there was none."""
    for tale in found.sessions:
        if tale.deed is Deed.FIX and any(each.host == host for each in tale.hosts):
            return tale.audits[0]
    return ""


def _now(tales: Sequence[SessionTale]) -> tuple[HostFix, ...]:
    """Each host after all sessions: later words lie over earlier ones, group by group."""
    hosts: dict[str, HostFix] = {}
    for tale in tales:
        for host in tale.hosts:
            hosts[host.host] = _after(hosts.get(host.host), host)
    return tuple(hosts.values())


def _after(before: HostFix | None, host: HostFix) -> HostFix:
    """A session that did not touch a host says nothing new of it."""
    if before is None:
        return host
    if host.state.untouched and not host.groups:
        return before
    news = tuple(_news(before, group) for group in host.groups)
    return replace(host, groups=before.merged(news))


def _news(before: HostFix, group: GroupFix) -> GroupFix:
    """ "Unchanged" in a later session means that what the earlier one fixed is still there."""
    known = next((each for each in before.groups if each.group == group.group), None)
    if known is None or group.outcome is not GroupOutcome.UNCHANGED:
        return group
    return known


def _records(ledger: Ledger, tales: Iterable[SessionTale]) -> tuple[UndoRecord, ...]:
    """What the hosts took back by themselves, of the restore points that are known."""
    points = {
        (host.host, group.restore_point): None
        for tale in tales
        for host in tale.hosts
        for group in host.groups
        if group.restore_point
    }
    return tuple(record for host, point in points for record in recorded(ledger, host, point))


def _with_records(host: HostFix, records: Iterable[UndoRecord]) -> HostFix:
    """A group of which the host says that it took it back is not lost any more."""
    mine = {record.point: record for record in records if record.host == host.host}
    groups = tuple(
        _restored(group, mine[group.restore_point]) if group.restore_point in mine else group
        for group in host.groups
    )
    found = replace(host, groups=groups)
    if host.state in (HostState.UNREACHABLE, HostState.UNKNOWN) and groups:
        every = all(group.restore_point in mine or group.outcome not in _HELD for group in groups)
        found = replace(found, state=HostState.ANSWERED) if every else found
    return found


def _restored(group: GroupFix, record: UndoRecord) -> GroupFix:
    if group.outcome not in _HELD:
        return group
    outcome = GroupOutcome.RESTORED if record.whole else GroupOutcome.RESIDUE
    return replace(group, outcome=outcome, reason={"en": told(record)})
