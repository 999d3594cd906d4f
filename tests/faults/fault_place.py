# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host as a device of a chain: what is on it, and how a test holds what goes on there.

Everything is seen and done over ssh, with patience for a machine that is busy with other tests.
What a scene waits for is waited for on the host: a login costs more than a look.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.e2e.payload_plays import JOBS, STAGE, TRIAL_FILE
from tests.e2e.restore_host import FOLDER, RestoreHost
from tests.lab.fleet import LabHost
from tests.lab.places import LabError

COUNT = "/srv/count"
HOLD = "/srv/hold"
OLD = "old"
APPLY = "apply"
HELD = ("preflight", "verify", "undo")
"""What can be held beside the change itself, where the trial waits for it (`fault_trial`)."""

_WORKS = (
    f"test -s {COUNT} && systemctl list-units --no-legend --state=active,activating"
    " 'storewarden-job-*' | grep -q ."
)
_TIMERS = "systemctl list-units --all --no-legend --plain 'storewarden-restore-*.timer'"
_CUT = "--"


@dataclass(frozen=True, slots=True)
class Look:
    """What one visit found: the version, what was begun (in order), restore points that wait."""

    version: str
    begun: list[str]
    timers: str


@dataclass(frozen=True, slots=True)
class Place:
    """One device of the chain: a lab host under a name that no other scene has."""

    name: str
    host: LabHost
    store: str
    groups: tuple[str, ...] = ()

    def set_out(self) -> None:
        """As it is before anything happens."""
        self.sh(f"mkdir -p /srv; rm -f {COUNT} {HOLD}*; printf '{OLD}\\n' > {TRIAL_FILE}")

    def tidy(self) -> None:
        """As if nothing of ours had ever been here; cheaper than another start of the host."""
        RestoreHost(host=self.host).tidy()
        self.sh(f"systemctl stop 'storewarden-job-*'; rm -rf {JOBS} {STAGE}", check=False)

    def sh(self, script: str, *, check: bool = True) -> str:
        """As root on the host; asked again as long as sshd is too busy to greet."""
        return RestoreHost(host=self.host).sh(script, check=check)

    def hold(self, what: str = APPLY) -> None:
        """What begins from now on does not end: the change, or another of `HELD`."""
        self.sh(f"touch {_hold(what)}")

    def go(self, what: str = APPLY) -> None:
        """It may end."""
        self.sh(f"rm -f {_hold(what)}")

    def holds(self, what: str) -> bool:
        """Whether something waits there for `go`: looks for it for a while."""
        return self._seen(f"test -e {_hold(what)}.met")

    def look(self) -> Look:
        """Everything at once."""
        told = (f"head -n 1 {TRIAL_FILE}", f"cat {COUNT} 2>/dev/null", f"{_TIMERS}; true")
        said = self.sh(f"; echo {_CUT}; ".join(told))
        version, begun, timers = said.split(f"{_CUT}\n")
        return Look(version=version.strip(), begun=begun.split(), timers=timers.strip())

    @property
    def version(self) -> str:
        """What the change is about."""
        return self.look().version

    @property
    def begun(self) -> list[str]:
        """What was begun here, in order."""
        return self.look().begun

    def timers(self) -> str:
        """Restore points that still wait."""
        return self.look().timers

    def working(self) -> bool:
        """Whether a change is under way on the host itself."""
        return self.sh(f"{_WORKS} && echo yes; true").strip() == "yes"

    def comes_to_work(self) -> bool:
        """The same: looks for it for a while."""
        return self._seen(_WORKS)

    def undone_because(self) -> str:
        """What made the host undo by itself; waits for its record."""
        found = json.loads(RestoreHost(host=self.host).sees(f"cat {FOLDER}/*/record.json"))
        return str(found["cause"])

    def _seen(self, script: str) -> bool:
        """The host looks by itself for a quarter of a minute: one login."""
        loop = f"for i in $(seq 50); do {{ {script}; }} && exit 0; sleep 0.3; done; exit 1"
        try:
            done = self.host.run(loop, user="root", check=False, timeout=240.0)
        except LabError:
            return False
        return done.returncode == 0


def _hold(what: str) -> str:
    return HOLD if what == APPLY else f"{HOLD}-{what}"
