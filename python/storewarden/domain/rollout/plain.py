# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts and their events as JSON data and back, for the state rows and the journal.

The head of a rollout and its hosts are written apart, because a rollout of many thousand hosts
changes in a few of them at a time. Host records leave out what is at its default; nothing else
does: what a rollout file says by default may be another thing one day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from storewarden.domain.plain_data import (
    moment_of,
    plain_record,
    plain_value,
    stamp,
    typed_record,
    typed_value,
)
from storewarden.domain.rollout import events as e
from storewarden.domain.rollout.record import HostRecord, Rollout
from storewarden.domain.rollout.spec import RolloutSpec

ENTRY = "rollout "
"""What every kind of journal entry of a rollout begins with."""

_OWN = ("by", "at")  # keys of a journal body that are not the event's data
_BRIEF = (HostRecord, e.HostReport)

KINDS: Mapping[str, type[e.Happening]] = {
    "opened": e.Opened,
    "approved": e.Approved,
    "started": e.Started,
    "wave began": e.WaveBegan,
    "dispatched": e.Dispatched,
    "reported": e.Reported,
    "locked": e.Locked,
    "wave moved": e.WaveMoved,
    "soak counted": e.SoakCounted,
    "soak extended": e.SoakExtended,
    "judged": e.Judged,
    "moved": e.Moved,
    "ordered": e.Ordered,
    "rollback began": e.RollbackBegan,
    "host moved": e.HostMoved,
    "epoch raised": e.EpochRaised,
    "superseded": e.Superseded,
}
"""The word of each happening."""

_WORDS: Mapping[type, str] = {happening: word for word, happening in KINDS.items()}


def plain_head(rollout: Rollout) -> dict[str, object]:
    """A rollout without its hosts, as JSON data."""
    return plain_record(replace(rollout, hosts={}), brief=_BRIEF)


def plain_host(host: HostRecord) -> dict[str, object]:
    """One host as JSON data; fields at their default are left out."""
    return plain_record(host, brief=_BRIEF)


def typed_host(data: object, where: str = "host") -> HostRecord:
    """The host that ``plain_host`` wrote. Raises ValueError, naming the place."""
    return typed_record(HostRecord, data, where)


def typed_rollout(head: object, hosts: Iterable[HostRecord]) -> Rollout:
    """The rollout of a head and its hosts in the plan's order. Raises ValueError."""
    rollout = typed_record(Rollout, head, "rollout")
    return replace(rollout, hosts={host.name: host for host in hosts})


def plain_spec(spec: RolloutSpec) -> dict[str, object]:
    """What is rolled out, as JSON data."""
    return plain_record(spec)


def typed_spec(data: object) -> RolloutSpec:
    """The spec that ``plain_spec`` wrote. Raises ValueError, naming the place."""
    return typed_record(RolloutSpec, data, "spec")


def word_of(what: e.Happening | type[e.Happening]) -> str:
    """The word of a happening, or of its class: "wave began"."""
    return _WORDS[what if isinstance(what, type) else type(what)]


def entry_kind(event: e.RolloutEvent) -> str:
    """The journal's word for an event."""
    return ENTRY + word_of(event.what)


def body_of(event: e.RolloutEvent) -> dict[str, object]:
    """The journal body of an event."""
    own: Any = event.what
    data = {each.name: plain_value(getattr(own, each.name), brief=_BRIEF) for each in fields(own)}
    # An event's own "by" (Superseded) goes under a name of its own: "by" is who told it.
    data = {_HIDDEN.get(key, key): value for key, value in data.items()}
    return {"by": event.by, "at": stamp(event.at), **data}


_HIDDEN: Mapping[str, str] = {"by": "rollout"}
_SHOWN: Mapping[str, str] = {hidden: name for name, hidden in _HIDDEN.items()}


def event_of(number: str, kind: str, at: datetime, body: Mapping[str, object]) -> e.RolloutEvent:
    """The event that a journal entry tells of; ``number`` is the entry's run.

    ``kind`` is the entry's kind, with or without "rollout " in front. ``at`` (the entry's own
    moment) counts when the body has none. Raises ValueError for a kind nobody knows.
    """
    word, moment = kind.removeprefix(ENTRY), body.get("at")
    happening: Any = KINDS.get(word)
    if happening is None:
        raise ValueError(f"{word!r} is nothing that happens to a rollout")
    data = {_SHOWN.get(key, key): value for key, value in body.items() if key not in _OWN}
    return e.RolloutEvent(
        number=number,
        at=at if moment is None else moment_of(moment, "at"),
        by=typed_value(str, body.get("by", ""), "by"),
        what=typed_record(happening, data, word),
    )
