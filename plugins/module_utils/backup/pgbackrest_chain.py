# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the WAL after the newest backup is all there: what the database counts as archived is
held against the files of the repository, because pgBackRest does not notice what is missing."""

from __future__ import annotations

from .failures import BackupFailure, Rejected
from .pgbackrest_facts import missing
from .pgbackrest_store import Shelf, Store, segments_of, stanza_of
from .postgresql_source import Asked, Cluster
from .report import SetFacts
from .work import Work

_COUNTED = "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver"


def archived(work: Work, cluster: Cluster) -> str:
    """What the database counts as archived; "" when it does not run here any more."""
    try:
        return Asked(work, cluster).ask(_COUNTED)
    except BackupFailure:
        return ""


def broken_chain(store: Store, counted: str) -> str:
    """What is wrong with the chain of WAL that the next set would stand on; "" for nothing.
    ``counted`` has to be asked before: WAL that arrives meanwhile is no gap."""
    return _first_gap(store.stanza, store.shelf(), counted)


def _first_gap(stanza: str, shelf: Shelf, counted: str) -> str:
    """The first WAL segment after the newest backup that the database counts as archived, or that a
    later one proves, and that is not there."""
    newest = next((each for each in reversed(shelf.backups) if each.kind != "log"), None)
    if newest is None:
        return ""
    size = shelf.kept[newest.label].segment if newest.label in shelf.kept else 1 << 24
    line = newest.last[:8]  # the timeline
    segments = {each for each in segments_of(stanza, shelf.tree) if each[:8] == line}
    if counted[:8] == line and len(counted) == len(newest.last):
        segments_end = max(segments | {newest.last, counted})
    else:
        segments_end = max(segments | {newest.last})
    gone = missing(segments, newest.first, segments_end, size)
    return hole(gone[0]).en if gone else ""


def hole(segment: str) -> Rejected:
    """A chain that is broken from this segment on."""
    return Rejected(
        "chain-broken: WAL segment {0} is not in the repository, no moment after it can be "
        "restored; a full set begins a new chain".format(segment),
        "chain-broken：仓库中没有 WAL 段 {0}，其后的时间点无法恢复；需要新的全量备份".format(
            segment
        ),
    )


def with_chain(work: Work, facts: list[SetFacts], shelf: Shelf, counted: str) -> list[SetFacts]:
    """The same facts; the newest backup, and all WAL after it, is damaged when its chain is
    broken."""
    broken = _first_gap(stanza_of(work.order), shelf, counted)
    if not broken:
        return facts
    work.note(broken, "chain-broken：WAL 链断开。" + broken)
    newest = max(
        (each for each in shelf.backups if each.kind != "log"),
        key=lambda each: (each.taken, each.label),
    ).label
    return [
        each._replace(level=0, damaged=each.damaged or broken) if each.id == newest else each
        for each in facts
    ]


def other_line(label: str) -> Rejected:
    """Production was restored since the newest backup: WAL of now does not follow it."""
    return Rejected(
        "WAL goes on in another timeline than that of {0}: take a full set".format(label),
        "WAL 已进入与 {0} 不同的时间线：请做全量备份".format(label),
    )
