# SPDX-License-Identifier: GPL-3.0-or-later
"""What a newer rollout inherits of a host from the older one that it takes over (I6).

What the older one changed and never finished keeps its restore points beneath the new one: going
back means back to the last FINAL baseline, not to bits that were still on trial. What is final is
nobody's any more, and what a person has released is that person's.
"""

from __future__ import annotations

from dataclasses import replace

from storewarden.domain.rollout.record import HostRecord, HostState, Rollout


def exposed(host: HostRecord) -> bool:
    """Whether something of its rollout is on the host that may still have to be taken back."""
    released = host.state is HostState.SKIPPED and bool(host.debt)
    return host.touched and host.state is not HostState.FINAL and not released


def inherited(host: HostRecord, older: Rollout | None) -> HostRecord:
    """A host of the newer rollout, with the packs that lie beneath its own, newest first."""
    before = older.hosts.get(host.name) if older is not None else None
    if before is None or not exposed(before) or not before.points:
        return host
    return replace(host, beneath=before.points, touched=True)
