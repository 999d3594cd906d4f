# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to a restore beside its job: a restore point of what will be replaced, and the end
of a folder that was only looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta

from storewarden.domain.backup.catalog import Target
from storewarden.domain.backup.policy import Method, Policy
from storewarden.domain.errors import ConfigInvalid, RunFailed
from storewarden.flows.rollout_parts import EstateNow, PlaySettings
from storewarden.ports.clock import Clock
from storewarden.ports.runner import HostStatus, PlaybookRun, Runner

PLAYBOOK = "storewarden.ops.backup_beside"
OWNER = "restore"
SCRATCH = "/var/lib/storewarden/backup/scratch"
"""Where restores into scratch lie when a policy's source names neither ``scratch`` nor a
``repository``, beside which they lie then."""

_LONGEST = timedelta(minutes=30)
_PATHS = frozenset({Method.FILES, Method.SQLITE})
"""Methods whose source names files; the others move what was there aside by themselves."""

_NO_NAME = re.compile(r"[^A-Za-z0-9._-]")


def scratch_folder(policy: Policy, run: str) -> str:
    """The folder of one restore into scratch; its name is the run's, so nobody else has it."""
    kept = policy.source.get("repository")
    beside = f"{str(kept).rstrip('/').rpartition('/')[0]}/scratch" if kept else SCRATCH
    above = policy.source.get("scratch") or beside
    if not isinstance(above, str) or not above.startswith("/") or ".." in above.split("/"):
        raise ConfigInvalid("source.scratch must be an absolute path", where=policy.id)
    return f"{above.rstrip('/')}/storewarden-restored-{_NO_NAME.sub('-', run)}"


def items_of(policy: Policy) -> tuple[Mapping[str, str], ...]:
    """What a restore replaces, as a restore point keeps it; () where the method moves it aside."""
    if policy.method not in _PATHS:
        return ()
    named = policy.source.get("path") or policy.source.get("paths") or ()
    paths = (
        [named]
        if isinstance(named, str)
        else list(named)
        if isinstance(named, list | tuple)
        else []
    )
    kind = "tree" if policy.method is Method.FILES else "file"
    found = [str(each) for each in paths]
    if kind == "file":  # what SQLite has not written into the file yet lies beside it
        found += [f"{each}{tail}" for each in found for tail in ("-wal", "-shm")]
    return tuple({"kind": kind, "path": each} for each in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePlay:
    """Both words, by way of the runner."""

    runner: Runner
    clock: Clock
    estate: Callable[[], EstateNow]
    settings: PlaySettings = field(default_factory=PlaySettings)

    def capture(self, target: Target, policy: Policy, change: str) -> str:
        """A restore point of what is there; its name, "" where the method keeps it by itself.
        Raises RunFailed."""
        items = items_of(policy)
        if not items:
            return ""
        moment = f"{self.clock.now().astimezone(UTC):%Y%m%dT%H%M%SZ}"
        point = f"{change}-{_NO_NAME.sub('-', policy.id)}-{moment}"  # never over an earlier one
        words = {
            "backup_word": "capture",
            "backup_point": point,
            "backup_owner": change,
            "backup_items": [dict(each) for each in items],
        }
        self._run(target.host, words, point)
        return point

    def drop(self, host: str, folder: str) -> None:
        """Remove the folder of a restore into scratch. Raises RunFailed."""
        self._run(host, {"backup_word": "drop", "backup_folder": folder}, "drop")

    def _run(self, host: str, words: Mapping[str, object], label: str) -> None:
        inventory = self.estate().inventory
        if host not in inventory.hosts:
            raise ConfigInvalid("there is no such host in the inventory", where=host)
        run = PlaybookRun(
            playbook=PLAYBOOK,
            inventory=inventory.only([host]),
            variables={**self.settings.variables, **words},
            timeout=_LONGEST,
            secrets=self.settings.secrets,
            known_hosts=self.settings.known_hosts,
            collections=self.settings.collections,
            owner=OWNER,
            label=label,
        )
        run_id = self.runner.start(run)
        result = self.runner.result(run_id).hosts.get(host)
        self.runner.release(run_id)
        if result is None or result.status not in (HostStatus.OK, HostStatus.CHANGED):
            why = result.message if result is not None else "the host gave no result"
            raise RunFailed(why or "it did not work", where=host)
