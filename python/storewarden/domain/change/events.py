# SPDX-License-Identifier: GPL-3.0-or-later
"""What can happen to a change: the facts that the journal keeps.

``data`` is JSON data whose keys depend on the kind; ``apply`` (in ``applying.py``)
is the one reader of it. A kind's name never changes its meaning: entries of
years ago are read by it.

In the journal an event is the entry kind ``"change " + kind``, the run ``number``
and the body ``{"by": ..., "at": ..., **data}`` (``plain.py``). Moments are text in
UTC with microseconds. What ``data`` holds:

| kind | data |
|---|---|
| OPENED | draft (all of the ``Draft``) |
| PLANNED | any of reason, plan, rollback, window, steps: what is new |
| APPROVED | roles (those that count), expires, comment |
| AUTHORISED | required (the roles that had to say yes) |
| REJECTED | reason, rule (true when a rule did it, not a person) |
| REFUSED | tried (the command), reason, hint; run (of a refused standing run) |
| EXPIRED | person, approved_at: whose approval of when |
| CANCELLED, PAUSED, RESUMED | reason |
| STARTED | authorised (false when an emergency acts first), override |
| STEP_DONE, STEP_CHECKED | step |
| NOTED | text |
| EVIDENCE | evidence (its kind), name, media_type, size, digest, note |
| FINISHED | note |
| CLOSED | outcome, reason |
| OWES | debt (its kind), due, what |
| SETTLED | debt, what |
| REMINDED | about (a debt's kind, "approvals" or "start"), count, due, what |
| RAN | run, hosts, began, succeeded, note |
| TICKET | system, ticket |
| OVERRIDE_ASKED | reason, expires, asks (the roles any of which may say yes) |
| OVERRIDE_APPROVED | roles (those that count), comment, missing (people still to say yes) |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class EventKind(Enum):
    """The kinds, by the words that stand in the journal after "change "."""

    OPENED = "opened"  # the draft, its items, the requester
    PLANNED = "plan written"  # plan, rollback plan, window or steps; approvals before it are void
    APPROVED = "approved"  # one person's approval
    AUTHORISED = "approvals complete"  # every required role has said yes
    REJECTED = "rejected"  # by a person, or by rule (no configuration item)
    REFUSED = "refused"  # somebody tried what a rule forbids; nothing else changed
    EXPIRED = "approval expired"  # one approval ran out unused
    CANCELLED = "cancelled"  # withdrawn
    STARTED = "started"  # machines are touched from now on
    PAUSED = "paused"  # an anomaly
    RESUMED = "resumed"  # somebody looked and let it go on
    STEP_DONE = "step done"  # a key step was done
    STEP_CHECKED = "step checked"  # a second person checked a key step
    NOTED = "noted"  # free text
    EVIDENCE = "evidence attached"  # a stored document
    FINISHED = "finished"  # the work has ended
    CLOSED = "closed"  # with an outcome
    OWES = "owes"  # a debt came up
    SETTLED = "debt settled"  # and was paid
    REMINDED = "reminded"  # of a debt, a missing approval or a late start
    RAN = "standing run"  # one run of a standing change
    TICKET = "ticket opened"  # its mirror in a ticket system is known
    OVERRIDE_ASKED = "override asked"  # to start although windows forbid it; voids an older one
    OVERRIDE_APPROVED = "override approved"  # one person's yes to that; two are needed


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeEvent:
    """One event; ``by`` is a person's id, or "storewarden" for the clock's own doing."""

    number: str
    kind: EventKind
    at: datetime
    by: str
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What follows from a command: events to be recorded, and the refusal when there is one.

    A refusal is recorded too (one REFUSED or REJECTED event), so that who tried what is known.
    """

    events: tuple[ChangeEvent, ...]
    refusal: str = ""
    hint: str = ""
