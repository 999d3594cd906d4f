# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables, as the queries see them; ``migrations/`` creates them.

Everything the journal's hashes cover is stored as text or bytes and never
converted by a database: what was hashed is what lies in the row. JSON columns
are canonical JSON text, times are UTC text that sorts as it passes. Only
portable types, so that SQLite and PostgreSQL hold the same rows. Each state
row carries the sequence of the journal entry that explains it.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text

METADATA = MetaData()
_Number = BigInteger().with_variant(Integer, "sqlite")

JOURNAL = Table(
    "journal",
    METADATA,
    Column("sequence", _Number, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
)

# One row. Locked by every writer, which is what makes appends serial on any database.
JOURNAL_HEAD = Table(
    "journal_head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sequence", _Number, nullable=False),
    Column("hash", Text, nullable=False),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("sequence", _Number, nullable=False, unique=True),
    Column("at", Text, nullable=False),
    Column("ended", Text, nullable=False),  # "" while under way
    Column("outcome", Text, nullable=False),  # "", completed or interrupted
    Column("scope", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("hosts", Text, nullable=False),  # JSON list
    Column("controls", Text, nullable=False),  # JSON list
)

HOST_RESULT = Table(
    "host_result",
    METADATA,
    Column("sequence", _Number, primary_key=True, autoincrement=False),
    Column("audit", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("counts", Text, nullable=False),  # JSON: verdict -> number
    Column("sample", Text, nullable=False),  # JSON: a reading {at, counters, boot?}, or ""
    Column("evidence", LargeBinary, nullable=False),  # zlib over JSON, the whole HostAudit
    Column("digest", Text, nullable=False),  # sha256 over the evidence as stored
)

# What is known of each control on each host: the verdict and value found in the audit
# ``since``, which was its baseline or its last transition.
CONTROL_STATE = Table(
    "control_state",
    METADATA,
    Column("host", Text, primary_key=True),
    Column("control", Text, primary_key=True),
    Column("verdict", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("since", Text, nullable=False),
)

DRIFT_EVENT = Table(
    "drift_event",
    METADATA,
    Column("sequence", _Number, primary_key=True, autoincrement=False),
    Column("control", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("audit", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("seen", Text, nullable=False),  # when the earlier state was last looked at, or ""
    Column("verdict_from", Text, nullable=False),
    Column("verdict_to", Text, nullable=False),
    Column("value_from", Text, nullable=False),
    Column("value_to", Text, nullable=False),
)

# The number of hosts of an inventory when it was last counted.
HOST_COUNT = Table(
    "host_count",
    METADATA,
    Column("scope", Text, primary_key=True),
    Column("sequence", _Number, nullable=False),
    Column("at", Text, nullable=False),
    Column("count", _Number, nullable=False),
)

# Changes as they stand, newest by ``opening``: the sequence of their first entry.
CHANGE = Table(
    "change",
    METADATA,
    Column("number", Text, primary_key=True),
    Column("opening", _Number, nullable=False, unique=True),
    Column("key", Text, nullable=False, unique=True),  # of the request that opened it
    Column("sequence", _Number, nullable=False),  # of its last entry
    Column("state", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("risk", Text, nullable=False),
    Column("opened", Text, nullable=False),
    Column("updated", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON: the whole change
)

# Which changes touch a host.
CHANGE_HOST = Table(
    "change_host",
    METADATA,
    Column("host", Text, primary_key=True),
    Column("number", Text, primary_key=True),
)

# The last number given out of each series, which is a number without its last part.
CHANGE_SERIES = Table(
    "change_series",
    METADATA,
    Column("series", Text, primary_key=True),
    Column("sequence", _Number, nullable=False),  # of the entry that opened the last one
    Column("last", _Number, nullable=False),
)

# Channels of the outbox, and the entry since which each is fed.
CHANNEL = Table(
    "channel",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("sequence", _Number, nullable=False),
)

# Cursors into the journal. ``latest`` and ``waiting`` (the first entry that has not arrived,
# 0 for none) are kept for subjects that are changes; of the subject "" the journal's head
# tells the same.
DELIVERY = Table(
    "delivery",
    METADATA,
    Column("channel", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("through", _Number, nullable=False),
    Column("latest", _Number, nullable=False),
    Column("waiting", _Number, nullable=False),
    Column("attempts", _Number, nullable=False),
    Column("retry_at", Text, nullable=False),  # "" for at once
    Column("error", Text, nullable=False),
    Column("parked", _Number, nullable=False),  # 0 or 1
    Column("receipt", Text, nullable=False),  # JSON: text -> text
)

# Drift tickets as they stand, in the order of ``opening``: the sequence of their first entry.
DRIFT_TICKET = Table(
    "drift_ticket",
    METADATA,
    Column("number", Text, primary_key=True),
    Column("opening", _Number, nullable=False, unique=True),
    Column("sequence", _Number, nullable=False),  # of its last entry
    Column("kind", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("control", Text, nullable=False),  # "" for the device as a whole
    Column("severity", Text, nullable=False),
    Column("opened", Text, nullable=False),
    Column("due", Text, nullable=False),  # a day in the site's zone
    Column("closed", Text, nullable=False),  # "" while it is open
    Column("closed_by", Text, nullable=False),  # the audit or month that closed it, or ""
    Column("audit", Text, nullable=False),  # or month, that opened it
    Column("body", Text, nullable=False),  # JSON: the whole ticket
)

# Compliance of each registered device in each month that was closed, by the entry ``sequence``.
DEVICE_MONTH = Table(
    "device_month",
    METADATA,
    Column("month", Text, primary_key=True),
    Column("host", Text, primary_key=True),
    Column("sequence", _Number, nullable=False),
    Column("place", _Number, nullable=False),  # in the inventory's order
    Column("standing", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON: the whole line
)

# Rollouts as they stand, newest by ``opening``: the sequence of their first entry. The hosts of a
# rollout lie beside it, since most events are about a few of many thousands.
ROLLOUT = Table(
    "rollout",
    METADATA,
    Column("number", Text, primary_key=True),
    Column("change", Text, nullable=False),
    Column("opening", _Number, nullable=False, unique=True),
    Column("key", Text, nullable=False, unique=True),  # of the request that opened it
    Column("sequence", _Number, nullable=False),  # of its last entry
    Column("told", _Number, nullable=False),  # of its last entry that goes to the change's ticket
    Column("state", Text, nullable=False),
    Column("opened", Text, nullable=False),
    Column("updated", Text, nullable=False),
    Column("look_at", Text, nullable=False),  # "": only when something happens
    Column("looks", _Number, nullable=False),  # how often ``look_at`` was set
    Column("line", Text, nullable=False),  # JSON: what a list shows
    Column("body", Text, nullable=False),  # JSON: the rollout without its hosts
)

# The hosts of rollouts, in the plan's order (``place``), as the entry ``sequence`` left them.
ROLLOUT_HOST = Table(
    "rollout_host",
    METADATA,
    Column("rollout", Text, primary_key=True),
    Column("host", Text, primary_key=True),
    Column("place", _Number, nullable=False),
    Column("sequence", _Number, nullable=False),
    Column("state", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON: the whole record
)

# Dispatches as work. Who works on what is not journaled: see ``ports.rollouts``.
ROLLOUT_JOB = Table(
    "rollout_job",
    METADATA,
    Column("dispatch", Text, primary_key=True),
    Column("rollout", Text, nullable=False),
    Column("sequence", _Number, nullable=False, unique=True),  # of the entry that dispatched it
    Column("epoch", _Number, nullable=False),
    Column("ended", Text, nullable=False),  # "" while it is open
    Column("worker", Text, nullable=False),  # "" for nobody
    Column("taken", Text, nullable=False),
    Column("begun", Text, nullable=False),
)

WORKER = Table(
    "worker",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("started", Text, nullable=False),
    Column("seen", Text, nullable=False),
)

# Occurrences of alerts as they stand, in the order of arrival (``number``). ``seen`` and
# ``seen_at`` count repetitions: no journal entry explains them.
OCCURRENCE = Table(
    "occurrence",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("number", _Number, nullable=False, unique=True),
    Column("sequence", _Number, nullable=False),  # of its last entry
    Column("source", Text, nullable=False),
    Column("received", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("due", Text, nullable=False),  # "" when nothing is decided about it any more
    Column("resolved", Text, nullable=False),  # "" while it fires
    Column("rule", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("hosts", Text, nullable=False),  # JSON list
    Column("incident", Text, nullable=False),  # under which people are told, "" for its own
    Column("labels", Text, nullable=False),  # JSON: text -> text
    Column("seen", _Number, nullable=False),
    Column("seen_at", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON: the whole occurrence
)

# Repairs as they stand; ``count`` is the last part of their id.
REPAIR = Table(
    "repair",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("count", _Number, nullable=False, unique=True),
    Column("sequence", _Number, nullable=False),  # of its last entry
    Column("change", Text, nullable=False),
    Column("opened", Text, nullable=False),
    Column("open", _Number, nullable=False),  # 1 until it has ended
    Column("body", Text, nullable=False),  # JSON: the whole repair
)

# Incidents as they stand, newest by ``opening``: the sequence of their first entry.
INCIDENT = Table(
    "incident",
    METADATA,
    Column("number", Text, primary_key=True),
    Column("opening", _Number, nullable=False, unique=True),
    Column("sequence", _Number, nullable=False),  # of its last entry
    Column("name", Text, nullable=False),  # the fault
    Column("state", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("opened", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON: the whole incident
)

# Problem tickets as they stand.
PROBLEM = Table(
    "problem",
    METADATA,
    Column("number", Text, primary_key=True),
    Column("opening", _Number, nullable=False, unique=True),
    Column("sequence", _Number, nullable=False),  # of its last entry
    Column("open", _Number, nullable=False),  # 1 until it is closed
    Column("name", Text, nullable=False),  # the fault
    Column("opened", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON: the whole problem ticket
)

# What is not to be healed, by a person's word.
HEAL_PAUSE = Table(
    "heal_pause",
    METADATA,
    Column("what", Text, primary_key=True),
    Column("sequence", _Number, nullable=False),  # of the entry that set it
    Column("person", Text, nullable=False),
    Column("since", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("until", Text, nullable=False),  # "" until it is taken back
)

# Runs of backup jobs as they stand, in the order of ``opening``: the sequence of their first entry.
BACKUP_RUN = Table(
    "backup_run",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("opening", _Number, nullable=False, unique=True),
    Column("sequence", _Number, nullable=False),  # of its last entry
    Column("host", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("began", Text, nullable=False),
    Column("ended", Text, nullable=False),  # "" while it is under way
    Column("body", Text, nullable=False),  # JSON: the whole run
)

# Backup sets, in the order of ``opening``; their copies lie beside them.
BACKUP_SET = Table(
    "backup_set",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("opening", _Number, nullable=False, unique=True),
    Column("sequence", _Number, nullable=False),
    Column("host", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("received", Text, nullable=False),
    Column("gone", _Number, nullable=False),  # 1 when its last copy is
    Column("body", Text, nullable=False),  # JSON: the set without its copies
)

# Copies of sets, as the entry ``sequence`` left them.
BACKUP_COPY = Table(
    "backup_copy",
    METADATA,
    Column("set", Text, primary_key=True),
    Column("location", Text, primary_key=True),
    Column("sequence", _Number, nullable=False),
    Column("body", Text, nullable=False),  # JSON: the whole copy
)

# Drills.
BACKUP_DRILL = Table(
    "backup_drill",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("opening", _Number, nullable=False, unique=True),
    Column("host", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("began", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON: the whole record
)

# Requests to delete backup sets as they stand.
BACKUP_DELETION = Table(
    "backup_deletion",
    METADATA,
    Column("number", Text, primary_key=True),
    Column("opening", _Number, nullable=False, unique=True),
    Column("sequence", _Number, nullable=False),
    Column("open", _Number, nullable=False),  # 1 while anything may still come of it
    Column("digest", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON: the whole request
)
