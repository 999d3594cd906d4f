# SPDX-License-Identifier: GPL-3.0-or-later
"""The two words of an experiment to its hosts, each one run: begin, and end.

A host that was lost in the middle of "begin" may be broken or not; it is told to end as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from storewarden.domain.chaos.experiment import Experiment, Made, Taken, Undone
from storewarden.flows.rollout_parts import EstateNow, PlaySettings
from storewarden.ports.runner import HostResult, HostStatus, PlaybookRun, Runner

PLAYBOOK = "storewarden.ops.chaos"
OWNER = "chaos"
"""The owner of these runs; their label is the experiment's name."""

_CONNECTING = timedelta(minutes=3)
_BY = {"order": Undone.ORDER, "timer": Undone.TIMER, "hand": Undone.HAND, "": Undone.BOOT}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosPlay:
    """Makes faults and takes them back, by way of the runner."""

    runner: Runner
    estate: Callable[[], EstateNow]
    settings: PlaySettings = field(default_factory=PlaySettings)

    def make(self, experiment: Experiment) -> Mapping[str, Made]:
        """How the fault came to be, for every host of the experiment."""
        words = {
            "chaos_word": "begin",
            "chaos_fault": experiment.fault,
            "chaos_options": dict(experiment.options),
            "chaos_seconds": experiment.span.total_seconds(),
        }
        found = self._run(experiment, experiment.hosts, words)
        return {host: _made(found.get(host), host) for host in experiment.hosts}

    def take_back(self, experiment: Experiment, hosts: Sequence[str]) -> Mapping[str, Taken]:
        """How the fault left these hosts; UNKNOWN for one that did not say."""
        found = self._run(experiment, hosts, {"chaos_word": "end"})
        return {host: _taken(found.get(host), host) for host in hosts}

    def _run(
        self, experiment: Experiment, hosts: Sequence[str], words: Mapping[str, object]
    ) -> Mapping[str, HostResult]:
        inventory = self.estate().inventory
        run = PlaybookRun(
            playbook=PLAYBOOK,
            inventory=inventory.only([host for host in hosts if host in inventory.hosts]),
            variables={
                **self.settings.variables,
                **words,
                "chaos_experiment": experiment.name,
            },
            timeout=_CONNECTING,
            secrets=self.settings.secrets,
            known_hosts=self.settings.known_hosts,
            collections=self.settings.collections,
            owner=OWNER,
            label=experiment.name,
        )
        run_id = self.runner.start(run)
        result = self.runner.result(run_id)
        self.runner.release(run_id)  # at once: healing must find the host free
        return result.hosts


def _made(result: HostResult | None, host: str) -> Made:
    told = _told(result)
    if told.get("made") is True:
        return Made(host=host, good=True, en=str(told.get("en")), zh=str(told.get("zh")))
    why = str(told.get("reason") or (result.message if result is not None else "no result"))
    said_no = "reason" in told or (result is not None and result.status is HostStatus.SKIPPED)
    return Made(
        host=host,
        good=False,
        en=why or "nobody knows",
        zh=str(told.get("reason_zh") or why or "未知"),
        doubtful=not said_no,
    )


def _taken(result: HostResult | None, host: str) -> Taken:
    told = _told(result)
    if told.get("undone") is not True:
        message = result.message if result is not None else "no result"
        return Taken(host=host, by=Undone.UNKNOWN, en=message)
    by = _BY.get(str(told.get("by") or ""), Undone.HAND)
    return Taken(host=host, by=by, at=_moment(told.get("at")), made_at=_moment(told.get("made_at")))


def _moment(seconds: object) -> datetime | None:
    """A moment by the host's own clock."""
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) else None


def _told(result: HostResult | None) -> Mapping[str, object]:
    found = result.report.get("chaos") if result is not None else None
    return found if isinstance(found, Mapping) else {}
