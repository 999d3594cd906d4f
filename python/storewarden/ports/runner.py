# SPDX-License-Identifier: GPL-3.0-or-later
"""One frozen request in, one typed result out: the only way Ansible is run.

A *run* is one playbook on one shard of hosts. It has a detached supervisor, so
it outlives whoever started it: ``start`` returns at once, ``follow`` reads the
run's event file from an offset, and a new controller finds old runs through
``recover``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Protocol


class HostStatus(Enum):
    """How one host came out of one run."""

    OK = "ok"  # every task ran, nothing was changed
    CHANGED = "changed"  # every task ran, something was changed
    FAILED = "failed"  # a task failed; what ran before it has happened
    UNREACHABLE = "unreachable"  # no connection; nothing more can be said
    UNKNOWN = "unknown"  # the run ended while this host was in the middle: a probe must decide
    SKIPPED = "skipped"  # planned, but no task ran on it; the message says why


class RunOutcome(Enum):
    """How a whole run ended."""

    COMPLETED = "completed"  # the play came to its end; see the hosts
    CANCELLED = "cancelled"  # stopped on request
    TIMED_OUT = "timed_out"  # stopped because its time was up
    ERROR = "error"  # never became a play: see ``error``
    UNKNOWN = "unknown"  # supervisor or play gone without a recap, or event lines lost


class LeaseMode(Enum):
    """What a run asks of its hosts."""

    SHARED = "shared"  # reads only; may run beside other readers, not beside a change
    EXCLUSIVE = "exclusive"  # changes the host; nothing else may run there


class RunPhase(Enum):
    """What ``recover`` finds of a run that an earlier process started."""

    LIVE = "live"  # its supervisor is alive: adopt it
    FINISHED = "finished"  # a result is there: collect it
    LOST = "lost"  # no supervisor and no result: unknown; hosts stay leased while the play lives


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenInventory:
    """An inventory as it was resolved once: exactly these hosts, groups and variables.

    ``hosts`` maps host name to its variables (JSON data; ``{"__ansible_vault": ..}`` and
    ``{"__ansible_unsafe": ..}`` as ansible-inventory prints them); ``groups`` maps group
    name to host names.
    """

    hosts: Mapping[str, Mapping[str, object]]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str = ""

    def only(self, names: Sequence[str]) -> FrozenInventory:
        """The same inventory, cut down to ``names`` (all must exist)."""
        kept = {name: self.hosts[name] for name in names}
        groups = {g: tuple(h for h in members if h in kept) for g, members in self.groups.items()}
        return FrozenInventory(hosts=kept, groups=groups, source=self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFiles:
    """Files that hold secrets; only their paths ever travel."""

    vault_password: Path | None = None
    become_password: Path | None = None
    connection_password: Path | None = None
    private_key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookRun:
    """One playbook on one shard.

    ``playbook`` is a fully qualified name (``storewarden.ops.x``) or a file;
    ``variables`` are data and stay text, whatever they contain; ``timeout``
    bounds the whole run; ``owner`` names who holds the leases; ``connect_ahead`` is for runs
    that somebody waits for: their few hosts are connected while the play is still being read.
    """

    playbook: str
    inventory: FrozenInventory
    variables: Mapping[str, object] = field(default_factory=dict)
    timeout: timedelta = timedelta(minutes=15)  # reference: guard rails, "run 15 min"
    forks: int = 20  # reference: guard rails, "forks 20"
    lease: LeaseMode = LeaseMode.EXCLUSIVE
    check_mode: bool = False
    secrets: SecretFiles = SecretFiles()
    known_hosts: Path | None = None
    collections: tuple[Path, ...] = ()  # the site's own, searched after ours
    owner: str = ""
    label: str = ""
    connect_ahead: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """One line of a run's event file: what happened, where, when.

    ``kind`` is one of started, play, task, host_ok, host_changed, host_failed,
    host_unreachable, host_skipped, finished; ``report`` is what the role reported.
    """

    kind: str
    at: datetime
    host: str = ""
    task: str = ""
    message: str = ""
    report: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostResult:
    """One host's end of a run; ``report`` merges what its role reported."""

    host: str
    status: HostStatus
    report: Mapping[str, object] = field(default_factory=dict)
    message: str = ""
    task: str = ""  # where it failed


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run ended; every planned host is in ``hosts``."""

    run_id: str
    outcome: RunOutcome
    hosts: Mapping[str, HostResult]
    error: str = ""
    started: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRun:
    """A run of an earlier process; ``owner`` and ``label`` are the request's."""

    run_id: str
    phase: RunPhase
    owner: str
    label: str
    hosts: tuple[str, ...]
    started: datetime


class Runner(Protocol):
    """Runs playbooks. Every method may raise AdapterError, ContentMissing or ConfigInvalid."""

    def announce(self, run: PlaybookRun) -> None:
        """``start`` is likely to be called with this run at once: what can be made ready for it
        before may be. No command goes to a host. Never raises; nothing depends on it."""
        ...

    def start(self, run: PlaybookRun) -> str:
        """Start detached; the run id. Refuses an empty inventory."""
        ...

    def follow(self, run_id: str) -> Iterator[RunEvent]:
        """Every event of the run from its beginning; ends when the run has ended or is lost."""
        ...

    def result(self, run_id: str) -> RunResult:
        """The result; of a lost run one with outcome UNKNOWN. Blocks until the run has ended."""
        ...

    def cancel(self, run_id: str) -> None:
        """Ask the run to stop; returns at once, ``result`` tells the end."""
        ...

    def recover(self) -> tuple[FoundRun, ...]:
        """Runs that were started here and never released, oldest first."""
        ...

    def release(self, run_id: str) -> None:
        """Forget a run whose result has been recorded, files and all. Refuses a live one."""
        ...
