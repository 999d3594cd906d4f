# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks hosts for the gates: one playbook that only reads, on all hosts of a wave at once.

Its leases are shared, so it never stands in the way of another reader and never runs beside a
change. A host that does not answer is left out of the answer: the gate holds on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil

from storewarden.domain.errors import AdapterError
from storewarden.flows.rollout_parts import EstateNow, PlaySettings
from storewarden.flows.shards import SHARD_SIZE, run_ids, run_sharded
from storewarden.ports.runner import LeaseMode, PlaybookRun, Runner, RunResult
from storewarden.ports.signals import HostAnswer, HostAsk

PLAYBOOK = "storewarden.ops.gate_look"
OWNER = "gates"
"""The owner of these runs."""

_CONNECTING = timedelta(minutes=1)
_FORKS = 20  # hosts of a shard that answer at a time (guard rails)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookLook:
    """``ports.signals.HostLook`` by way of the runner."""

    runner: Runner
    estate: Callable[[], EstateNow]
    settings: PlaySettings = field(default_factory=PlaySettings)

    def ask(
        self, hosts: Sequence[str], asks: Sequence[HostAsk]
    ) -> Mapping[str, Mapping[str, HostAnswer]]:
        """Host -> question's name -> answer. AdapterError when nobody could be asked."""
        inventory = self.estate().inventory
        known = [host for host in hosts if host in inventory.hosts]
        if not known:
            raise AdapterError("none of these hosts is in the inventory", where="gate_look")
        run = PlaybookRun(
            playbook=PLAYBOOK,
            inventory=inventory.only(known),
            variables={**self.settings.variables, "gate_look_asks": [_data(a) for a in asks]},
            timeout=timeout_of(len(known), asks),
            forks=_FORKS,
            lease=LeaseMode.SHARED,
            secrets=self.settings.secrets,
            known_hosts=self.settings.known_hosts,
            collections=self.settings.collections,
            owner=OWNER,
            label=OWNER,
        )
        result = self._run(run)
        said = {name: _said(host.report) for name, host in result.hosts.items()}
        return {name: _answers(found) for name, found in said.items() if found}

    def _run(self, run: PlaybookRun) -> RunResult:
        result: RunResult | None = None
        for news in run_sharded(self.runner, run):
            if isinstance(news, RunResult):
                result = news
        assert result is not None, "a sharded run ends with its result"  # noqa: S101
        for run_id in run_ids(result):
            self.runner.release(run_id)
        return result


def timeout_of(hosts: int, asks: Sequence[HostAsk]) -> timedelta:
    """After so long a run is stuck: its hosts take turns, and each may need all of its time."""
    turns = ceil(min(hosts, SHARD_SIZE) / _FORKS)
    return _CONNECTING + turns * timedelta(seconds=sum(each.seconds for each in asks))


def _data(ask: HostAsk) -> dict[str, object]:
    """The question as the module reads it; what its kind has no use for is left out."""
    times = {"since": ask.since, "until": ask.until}
    data: dict[str, object] = {
        "unit": ask.unit,
        "argv": list(ask.argv),
        "user": ask.user,
        "paths": list(ask.paths),
        "pattern": ask.pattern,
        "ignore": ask.ignore,
        **{key: at.timestamp() for key, at in times.items() if at is not None},
    }
    kept = {key: value for key, value in data.items() if value not in ("", [])}
    return {"name": ask.name, "kind": ask.kind.value, "seconds": ask.seconds, **kept}


def _said(report: Mapping[str, object]) -> Mapping[str, object]:
    found = report.get("gate_look")
    return found if isinstance(found, Mapping) else {}


def _answers(found: Mapping[str, object]) -> dict[str, HostAnswer]:
    return {name: _answer(each) for name, each in found.items() if isinstance(each, Mapping)}


def _answer(found: Mapping[str, object]) -> HostAnswer:
    ok, text, problem = found.get("ok"), found.get("text"), found.get("problem")
    return HostAnswer(
        ok=ok if isinstance(ok, bool) else None,
        text=text if isinstance(text, str) else "",
        count=_whole(found.get("count")),
        lines=_whole(found.get("lines")),
        problem=str(problem) if problem else "",
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
