# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder that stands for a host with systemd: units are files, and restarting one swaps its file.

What `systemctl show` would say of a unit lies in ``units/NAME``; what it says after a restart in
``after/NAME``; where that is missing, a restart is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_SYSTEMCTL = """#!/bin/sh
cd {root}
echo "$*" >> log
verb=$1
while [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done
[ $# -eq 0 ] || shift
case $verb in
  show) for unit; do cat "units/$unit"; echo; done ;;
  list-units) cat failed ;;
  restart) [ -e "after/$1" ] || {{ echo "Job for $1 failed." >&2; exit 1; }}
    cp "after/$1" units/ ;;
esac
"""
_JOURNALCTL = """#!/bin/sh
[ ! -e {root}/no-journal ] || exit 1
cat {root}/journal
"""
_PLAIN = {
    **{"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "Result": "success"},
    **{"UnitFileState": "enabled", "Type": "simple", "ConditionResult": "yes", "NRestarts": "0"},
    **{"ConditionTimestampMonotonic": "1", "MainPID": "7", "ActiveEnterTimestampMonotonic": "1"},
    **{"TriggeredBy": "", "RemainAfterExit": "no", "ExecMainStatus": "0"},
}
FAILED = {"ActiveState": "failed", "SubState": "failed", "Result": "exit-code"}
STOPPED = {"ActiveState": "inactive", "SubState": "dead"}


@dataclass(frozen=True, slots=True)
class HealBench:
    """The folder, and the host that it stands for."""

    root: Path

    def __post_init__(self) -> None:
        for name in ("bin", "units", "after", "proc", "run/systemd/system"):
            (self.root / name).mkdir(parents=True)
        for name, text in (("systemctl", _SYSTEMCTL), ("journalctl", _JOURNALCTL)):
            program = self.root / "bin" / name
            program.write_text(text.format(root=self.root))
            program.chmod(0o755)
        for name in ("journal", "failed", "log"):
            (self.root / name).write_text("")

    @property
    def host(self) -> Host:
        return Host(str(self.root), f"{self.root}/bin:/usr/bin:/bin")

    def unit(self, name: str, *, after: bool = False, **said: str) -> None:
        """What systemd says of it, now or after its restart."""
        lines = [f"{key}={value}" for key, value in {"Id": name, **_PLAIN, **said}.items()]
        (self.root / ("after" if after else "units") / name).write_text("\n".join(lines) + "\n")

    def journal(self, *records: Mapping[str, Any]) -> None:
        text = "".join(json.dumps(dict(one)) + "\n" for one in records)
        (self.root / "journal").write_text(text)

    def failed(self, *names: str) -> None:
        """The units that `list-units --state=failed` names."""
        lines = [f"{name} loaded failed failed A unit" for name in names]
        (self.root / "failed").write_text("\n".join(lines) + "\n" if lines else "")

    def done(self) -> list[str]:
        """What was asked of systemctl beyond looking."""
        lines = (self.root / "log").read_text().splitlines()
        return [one for one in lines if one.split()[0] in ("restart", "reset-failed", "start")]


def record(kind: str, at: float, **more: str) -> dict[str, str]:
    """A message of systemd in the journal; ``at`` in seconds of 1970."""
    kinds = {
        "starting": "7d4958e842da4a758f6c1cdc7b36dcc5",
        "started": "39f53479d3a045ac8e11786248231fbf",
        "stopped": "9d1aaa27d60140bd96365438aad20286",
    }
    return {"MESSAGE_ID": kinds[kind], "__REALTIME_TIMESTAMP": str(int(at * 1e6)), **more}
