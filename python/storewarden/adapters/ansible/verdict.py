# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run came to, judged from what it wrote down. Pure.

Success is never inferred from an exit status: a host came out well only if the
play's own recap says so, and the recap must speak of exactly the planned hosts.
Without a recap a host that was touched is *unknown*, unless its last word was
that it failed or could not be reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import cast

from storewarden.adapters.ansible.eventlog import Record
from storewarden.ports.runner import HostResult, HostStatus, RunOutcome

_NAMED = 5  # host names spelled out in an error


class Ending(Enum):
    """How the play's process came to its end, as its supervisor saw it."""

    ENDED = "ended"  # by itself
    CANCELLED = "cancelled"  # we stopped it on request
    TIMED_OUT = "timed_out"  # we stopped it because its time was up
    LOST = "lost"  # nobody was watching


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known of a run.

    ``free`` are the hosts whose lease the play got (None: it never got that far),
    ``busy`` the others with the reason; ``cause`` is one line of what
    ansible-playbook complained of; ``collection`` is where ours must come from.
    """

    planned: Sequence[str]
    free: Sequence[str] | None
    busy: Mapping[str, str]
    ending: Ending
    rc: int | None
    cause: str = ""
    collection: str = ""
    playing: bool = False  # a process of the play still lives


@dataclass(slots=True)
class _Host:
    touched: bool = False
    last: str = ""
    task: str = ""
    message: str = ""
    report: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Track:
    """What the records say, folded; reports are merged per host."""

    hosts: dict[str, _Host] = field(default_factory=dict)
    matched: set[str] = field(default_factory=set)
    stats: Mapping[str, Mapping[str, int]] | None = None
    plays: int = 0
    refused: str = ""
    collection: str = ""
    dropped: int = 0
    stopped: list[tuple[frozenset[str], frozenset[str]]] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Take in one record."""
        kind = str(record["kind"])
        if kind == "touched" or kind.startswith("host_"):
            self._host(kind, record)
        elif kind == "play":
            self.plays += 1
            self.matched.update(cast("Iterable[str]", record.get("hosts", ())))
        elif kind == "stats":
            self.stats = cast("Mapping[str, Mapping[str, int]]", record)
            self.dropped = int(str(record.get("dropped", 0)))
        elif kind == "stopped":
            hosts, because = (_set(record.get(name)) for name in ("hosts", "because"))
            self.stopped.append((hosts, because))
        elif kind == "refused":
            self.refused = str(record.get("message", ""))
        elif kind == "loaded":
            self.collection = str(record.get("collection", ""))

    def _host(self, kind: str, record: Record) -> None:
        host = self.hosts.setdefault(str(record.get("host", "")), _Host())
        host.touched = True
        if kind == "touched":
            return
        host.last = kind
        if kind in ("host_failed", "host_unreachable"):
            host.task, host.message = str(record.get("task", "")), str(record.get("message", ""))
        report = record.get("report")
        if isinstance(report, dict):
            merge(host.report, report)


def _set(names: object) -> frozenset[str]:
    return frozenset(map(str, names)) if isinstance(names, list) else frozenset()


def merge(old: dict[str, object], new: Mapping[str, object]) -> None:
    """Lay ``new`` over ``old``, mapping by mapping."""
    for key, value in new.items():
        below = old.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merge(below, value)
        else:
            old[key] = value


def fold(records: Iterable[Record]) -> Track:
    """All records of a run in one."""
    track = Track()
    for record in records:
        track.add(record)
    return track


def judge(evidence: Evidence, track: Track) -> tuple[RunOutcome, str, dict[str, HostResult]]:
    """Outcome, error and one result per planned host."""
    outcome, error = _outcome(evidence, track)
    hosts = {name: _host(name, evidence, track) for name in evidence.planned}
    return outcome, error, hosts


def _outcome(evidence: Evidence, track: Track) -> tuple[RunOutcome, str]:
    if evidence.ending is Ending.LOST:
        return RunOutcome.UNKNOWN, _lost(evidence)
    if evidence.free is not None and not evidence.free:
        return RunOutcome.ERROR, "no host was free"
    wrong = _wrong_content(evidence, track)
    if wrong:
        return RunOutcome.ERROR, wrong
    if track.stats is None:
        return _without_recap(evidence, track)
    return _with_recap(evidence, track)


def _lost(evidence: Evidence) -> str:
    lives = "; the play still runs" if evidence.playing else ""
    return f"the supervisor is gone and left no result{lives}"


def _wrong_content(evidence: Evidence, track: Track) -> str:
    """Not what was asked for: no Ansible, another copy of the collection, other hosts."""
    if evidence.rc == 127:
        return f"ansible-playbook could not be started: {evidence.cause or 'exit status 127'}"
    if track.refused:
        return track.refused
    if track.collection and evidence.collection not in ("", track.collection):
        return f"the collection was loaded from {track.collection} instead of {evidence.collection}"
    return ""


def _without_recap(evidence: Evidence, track: Track) -> tuple[RunOutcome, str]:
    stopped = {
        Ending.CANCELLED: (RunOutcome.CANCELLED, "stopped on request"),
        Ending.TIMED_OUT: (RunOutcome.TIMED_OUT, "stopped because its time was up"),
    }.get(evidence.ending)
    if stopped:
        return stopped
    status = "an unknown status" if evidence.rc is None else f"status {evidence.rc}"
    why = evidence.cause or f"ansible-playbook ended with {status}"
    if any(host.touched for host in track.hosts.values()):
        return RunOutcome.UNKNOWN, f"the play ended before its recap: {why}"
    return RunOutcome.ERROR, why


def _with_recap(evidence: Evidence, track: Track) -> tuple[RunOutcome, str]:
    """The recap is there, so the play ended by itself: a cancel that came too late is none."""
    seen = set(_processed(track))
    left_out = [name for name in evidence.free or evidence.planned if name not in track.matched]
    strangers = sorted(seen - set(evidence.planned))
    if not seen and not track.matched:
        return RunOutcome.ERROR, f"the play matched no host{_because(evidence)}"
    if strangers:
        return RunOutcome.ERROR, f"the play touched hosts outside its plan: {_names(strangers)}"
    if left_out:
        return RunOutcome.ERROR, f"the play left out planned hosts: {_names(left_out)}"
    if not seen:
        return RunOutcome.ERROR, "the play ran no task on any host"
    if track.dropped:
        lost = f"{track.dropped} events could not be written; reports may be incomplete"
        return RunOutcome.UNKNOWN, lost
    return RunOutcome.COMPLETED, ""


def _because(evidence: Evidence) -> str:
    return f": {evidence.cause}" if evidence.cause else ""


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _count(track: Track, what: str, name: str) -> int:
    return (track.stats or {}).get(what, {}).get(name, 0)


def _processed(track: Track) -> Iterable[str]:
    return (track.stats or {}).get("processed", {})


def _host(name: str, evidence: Evidence, track: Track) -> HostResult:
    busy = evidence.busy.get(name)
    if busy:
        return HostResult(host=name, status=HostStatus.SKIPPED, message=busy)
    seen = track.hosts.get(name, _Host())
    status, message = _status(name, seen, evidence, track)
    ended_badly = status in (HostStatus.FAILED, HostStatus.UNREACHABLE)
    return HostResult(
        host=name,
        status=status,
        report=seen.report,
        message=seen.message if ended_badly else message,
        task=seen.task if ended_badly else "",
    )


def _status(name: str, seen: _Host, evidence: Evidence, track: Track) -> tuple[HostStatus, str]:
    if track.stats is not None:
        return _by_recap(name, track)
    if seen.last == "host_unreachable":
        return HostStatus.UNREACHABLE, ""
    if seen.last == "host_failed":
        return HostStatus.FAILED, ""
    if seen.touched:
        return HostStatus.UNKNOWN, "the run ended while this host was in the middle"
    if evidence.ending is Ending.LOST:
        return HostStatus.UNKNOWN, _lost(evidence)
    return HostStatus.SKIPPED, "the run ended before any task ran here"


def _by_recap(name: str, track: Track) -> tuple[HostStatus, str]:
    for what, status in (("dark", HostStatus.UNREACHABLE), ("failures", HostStatus.FAILED)):
        if _count(track, what, name):
            return status, ""
    culprit = _stopped_by(name, track)
    if culprit:
        return HostStatus.UNKNOWN, f"the play was stopped here because {culprit} failed"
    for what, status in (
        ("changed", HostStatus.CHANGED),
        ("ok", HostStatus.OK),
    ):
        if _count(track, what, name):
            return status, ""
    if name in track.matched:
        return HostStatus.SKIPPED, "every task was skipped here"
    return HostStatus.SKIPPED, "no play matched this host"


def _stopped_by(name: str, track: Track) -> str:
    """The host whose failure ended the play for ``name`` as well, or "".

    A host that failed and was rescued has no failure in the recap, and stopped nobody.
    """
    for hosts, because in track.stopped:
        if name in hosts:
            for culprit in sorted(because):
                if _count(track, "failures", culprit) or _count(track, "dark", culprit):
                    return culprit
    return ""
