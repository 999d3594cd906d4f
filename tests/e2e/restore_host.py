# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host with restore points: say a word, wait for its own undo, look at it from outside.

What a test compares is never what the restore point itself saw: `look` runs the host's ordinary
tools (find, sha256sum, getfacl, getfattr, systemctl, dpkg-query, nft ...).
"""

from __future__ import annotations

import base64
import functools
import io
import json
import re
import shlex
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.fleet import LabHost
from tests.lab.places import LabError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "/var/lib/storewarden/restore"
OWNER = "GMBG-20260301-001"
_PACKAGE = "plugins/module_utils/restore"
_PREFIX = "ansible_collections/storewarden/ops/"
# For the host's undo beyond its deadline; the machine may be busy with other tests.
PATIENCE = 400.0
_UNHEARD = re.compile(r"banner exchange|Connection refused|connect to host")
# The file that most scenes change, as an item, and how it looks.
CONF = "/etc/sw-demo.conf"
ITEM = {"kind": "file", "path": CONF}
LOOK = f"cat {CONF}; stat -c '%a %U %G' {CONF}"

_FILES = r"""
for place in "$@"; do
  # A folder's number of links is the overlay file system's own affair.
  find "$place" -type d -printf '%p|%y|%m|%U|%G\n' -o -printf '%p|%y|%m|%U|%G|%l|%n\n' \
    2>/dev/null | sort
  find "$place" -type f -print0 2>/dev/null | sort -z | xargs -0r sha256sum
  find "$place" ! -type l -print0 2>/dev/null | sort -z | xargs -0r getfacl -np 2>/dev/null
  find "$place" -print0 2>/dev/null | sort -z | xargs -0r getfattr -hd -m- -e hex --absolute-names
  find "$place" \( -type f -o -type d \) -print0 2>/dev/null | sort -z | xargs -0r lsattr -d
done | cat -v
"""


_OURS = (
    "systemctl list-units --all --no-legend --plain 'storewarden-restore-*.timer';"
    "ls /etc/systemd/system/storewarden-restore.service /etc/cron.d/storewarden-restore"
    " /etc/systemd/system/multi-user.target.wants/storewarden-restore.service 2>/dev/null; true"
)


@functools.cache
def _archive() -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in ("", "plugins/", "plugins/module_utils/"):
            archive.writestr(f"{_PREFIX}{package}__init__.py", "")
        for package in ("ansible_collections/", "ansible_collections/storewarden/"):
            archive.writestr(f"{package}__init__.py", "")
        for path in sorted((ROOT / _PACKAGE).glob("*.py")):
            archive.write(path, _PREFIX + str(path.relative_to(ROOT)))
    return base64.b64encode(buffer.getvalue()).decode()


def word(state: str, id: str = "rp", **fields: Any) -> dict[str, Any]:
    """One step of `RestoreHost.steps`."""
    return {"state": state, "request": {"id": id, "owner": OWNER, "epoch": 1, **fields}}


_CHANGED = {True: "changed", False: "same"}


def sh(script: str) -> dict[str, Any]:
    """One step of `RestoreHost.steps`."""
    return {"sh": script}


def until(met: Callable[[], Any], what: str, *, seconds: float = PATIENCE) -> Any:
    """The first true answer; AssertionError when there is none in time."""
    end = time.monotonic() + seconds
    while not (found := met()):
        assert time.monotonic() < end, f"after {seconds:.0f} s still not: {what}"
        time.sleep(0.4)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreHost:
    """The words of a controller, spoken on one host."""

    host: LabHost

    def sh(self, script: str, *, check: bool = True) -> str:
        return self._run(script, check=check).stdout

    def _run(self, script: str, *, check: bool = True, input: str | None = None) -> Any:
        """On a busy machine sshd may not greet in time; then nothing was run, and we come again."""

        def tried() -> Any:
            done = self.host.run(script, user="root", check=False, input=input, timeout=600.0)
            return None if done.returncode == 255 and _UNHEARD.search(done.stderr) else done

        done = until(tried, "heard by sshd")
        assert done.returncode == 0 or not check, f"{script}: {done.stderr or done.stdout}"
        return done

    def set_out(self) -> None:
        """What most scenes change."""
        self.host.write(CONF, "before\n", mode=0o640)

    def tidy(self) -> None:
        """As if no restore point had ever been here."""
        self.sh(
            "systemctl stop 'storewarden-restore-*'; systemctl reset-failed;"
            "rm -f /etc/systemd/system/storewarden-restore.service /etc/cron.d/storewarden-restore"
            " /etc/systemd/system/multi-user.target.wants/storewarden-restore.service;"
            f"rm -rf {FOLDER} /srv/* {CONF}",
            check=False,
        )

    def steps(self, *steps: dict[str, Any]) -> list[dict[str, Any]]:
        """The answers to several words and scripts in one visit; see the driver."""
        work = {"archive": _archive(), "folder": FOLDER, "steps": steps}
        driver = (Path(__file__).parent / "restore_driver.py").read_text(encoding="utf-8")
        done = self._run(f"python3 -c {shlex.quote(driver)}", input=json.dumps(work))
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def heard(self, *steps: dict[str, Any]) -> list[str]:
        """As `steps`, in short: a script's output, the words of a refusal or failure, or what a
        word changed (``changed`` or ``same``)."""
        return [
            one["out"]
            if "out" in one
            else (one["text"] if one["failed"] else _CHANGED[one["changed"]])
            for one in self.steps(*steps)
        ]

    def say(self, state: str, id: str = "rp", **fields: Any) -> dict[str, Any]:
        """``{changed, text, report, failed, refused}``."""
        return self.steps(word(state, id, **fields))[0]

    def must(self, state: str, id: str = "rp", **fields: Any) -> dict[str, Any]:
        """The report; AssertionError with the host's words when it failed."""
        said = self.say(state, id, **fields)
        assert not said["failed"], said["text"]
        report: dict[str, Any] = said["report"]
        return report

    def no(self, state: str, id: str = "rp", **fields: Any) -> str:
        """The words of a refusal."""
        said = self.say(state, id, **fields)
        assert said["refused"], said
        return str(said["text"])

    def arm(
        self,
        *items: dict[str, Any],
        id: str = "rp",
        deadline: float = 300.0,
        then: str = "true",
        **more: Any,
    ) -> str:
        """Capture, arm, and run a script at once; what the script said."""
        said = self.steps(
            word("captured", id, items=items),
            word("armed", id, deadline=deadline, **more),
            {"sh": then},
        )
        wrong = [one["text"] for one in said if one.get("failed")]
        assert not wrong, wrong
        return str(said[-1]["out"])

    def sees(self, script: str) -> str:
        """What the script said once it ended well on the host, which looks again and again by
        itself; through lost lines and reboots. AssertionError when it never did."""
        loop = f"for i in $(seq 100); do {script} && exit 0; sleep 0.3; done; exit 1"

        def seen() -> str | None:
            try:
                done = self.host.run(loop, user="root", check=False, timeout=240.0)
            except LabError:
                return None
            return done.stdout + "\n" if done.returncode == 0 else None

        return str(until(seen, script))[:-1]

    def record(self, id: str = "rp") -> dict[str, Any]:
        """The undo's record, as soon as the host has written it and answers."""
        found: dict[str, Any] = json.loads(self.sees(f"cat {FOLDER}/{id}/record.json 2>/dev/null"))
        return found

    def files(self, *places: str) -> str:
        """Everything about these files but their times, by the host's own tools."""
        words = " ".join(shlex.quote(place) for place in places)
        return self.sh(f"set -- {words}; {_FILES}")

    def state(self, id: str = "rp") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.sh(f"cat {FOLDER}/{id}/state.json"))["body"]
        return found

    def gone_quiet(self) -> None:
        """Timer, boot unit and cron line are gone. The timer's own service may still be ending."""
        self.sees(f'[ -z "$({_OURS})" ]')

    def timers(self) -> str:
        """What of ours systemd still runs or would run at boot."""
        return self.sh(_OURS)
