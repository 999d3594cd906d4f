# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program that keeps the route over the backup line, and lets go of it by itself.

While the backup carries, all that a host answers goes out over it. If it dies then, nobody can
reach the host any more to switch it back, however good the line is again. So the host must be able
to go back alone: a backup that has not carried for some minutes is let go for a moment, and the
route stays away when the line answers; when it does not, the backup is tried on, and so the host
is on whichever carries first. And a lease: when it is over, the host goes back as soon as the line
has been good for a while, for perhaps nobody reaches it over the backup although that carries.

Runs on the host by itself, with only `line_probe` beside it. It leaves when it is told to (TERM),
and takes the route away then, also when its unit's file is gone already.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any, NamedTuple

try:
    from ansible_collections.storewarden.ops.plugins.module_utils.heal.line_probe import (
        Line,
        rounds,
    )
except ImportError:  # on a host it lies in the same folder
    from line_probe import Line, rounds  # type: ignore[no-redef, import-not-found, unused-ignore]

STAY, TRY, END = "stay", "try", "end"
_ROUNDS = 3  # in which the line has to answer while the route is away
_MOST_NOTED = 50


class Settings(NamedTuple):
    """What it is told; durations in seconds."""

    route: str  # words for ip, "{0}" where replace or del stands
    primary: Line
    backup: Line
    seconds: float  # that a target has for an answer
    dead_after: float  # without an answer over the backup, it is let go
    lease: float
    stable: float  # that the line must be good before the lease ends
    unit: str
    notes: str  # where switches are noted

    @property
    def every(self) -> float:
        """Seconds between two looks."""
        return max(min(15.0, self.dead_after / 4.0, self.stable / 2.0), 0.2)


class Watch:
    """What to do after each look. Times are those of one clock that never goes back."""

    def __init__(self, settings: Settings, now: float) -> None:
        self._settings = settings
        self._began = now
        self._heard = now
        self._good_since: float | None = None

    def after(self, now: float, *, backup: bool, primary: bool) -> str:
        """STAY, TRY (the backup is dead: see whether the line carries) or END."""
        if backup:
            self._heard = now
        if not primary:
            self._good_since = None
        elif self._good_since is None:
            self._good_since = now
        if now - self._heard >= self._settings.dead_after:
            self._heard = now  # the next try comes after as long
            return TRY
        over = now - self._began >= self._settings.lease
        good_for = -1.0 if self._good_since is None else now - self._good_since
        return END if over and good_for >= self._settings.stable else STAY


class Told(BaseException):
    """systemd wants it to end."""


class Keeper:
    """Keeps the route until ``watched`` ends."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def watched(self) -> str:
        """Why it let go, one line. Told ends it from outside; OSError when there is no route."""
        settings = self._settings
        self.must_route("replace")
        _ready()
        watch = Watch(settings, time.monotonic())
        while True:
            time.sleep(settings.every)
            backup, primary = self._carries(settings.backup), self._carries(settings.primary)
            said = watch.after(time.monotonic(), backup=backup, primary=primary)
            if said == TRY and self._line_is_back():
                return "the backup is dead, and the line answers"
            if said == END:
                return "the lease is over, and the line has been good"
            # Also when somebody flushed it.
            self.route("replace")

    def _carries(self, line: Line) -> bool:
        return rounds(line, 1, self._settings.seconds)[0]

    def _line_is_back(self) -> bool:
        """With the route away: where rp_filter is 1, the line answers only then."""
        self.route("del")
        return all(rounds(self._settings.primary, _ROUNDS, self._settings.seconds))

    def route(self, verb: str) -> str:
        """What ip says when it cannot; nothing when it could."""
        words = ["ip", *self._settings.route.format(verb).split()]
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30
        )
        return "" if done.returncode == 0 else done.stderr.decode("utf-8", "replace").strip() or "?"

    def must_route(self, verb: str) -> None:
        problem = self.route(verb)
        if problem:
            raise OSError(problem)

    def gone_for_good(self) -> None:
        """Going back was a switch, and the next boot must not bring the backup again."""
        note(self._settings.notes, time.time())
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                ["systemctl", "--no-reload", "disable", self._settings.unit],
                stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30,
            )  # fmt: skip


def note(path: str, now: float) -> None:
    """One more switch to the primary, beside those that were noted."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        kept: list[Any] = []
        with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as source:
            kept = list(json.load(source).get("switches", []))
        fresh = path + ".new"
        with open(fresh, "w", encoding="utf-8") as target:
            json.dump({"switches": [*kept[-_MOST_NOTED:], now], "to": "primary"}, target)
        os.replace(fresh, path)


def settings_of(text: str) -> Settings:
    """From the JSON that the unit hands over."""
    told = json.loads(text)
    lines = {name: Line(told[name][0], tuple(told[name][1])) for name in ("primary", "backup")}
    return Settings(**{**told, **lines})


def _ready() -> None:
    """`systemctl start` waits for this, so the route is there when it returns."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if place:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.connect("\0" + place[1:] if place.startswith("@") else place)
            line.send(b"READY=1")


def _end(_number: int, _frame: Any) -> None:
    raise Told


def main() -> int:
    """Keep the route that the first word tells of."""
    signal.signal(signal.SIGTERM, _end)
    keeper = Keeper(settings_of(sys.argv[1]))
    try:
        why = keeper.watched()
        keeper.gone_for_good()
        print(why, flush=True)  # noqa: T201 - the unit's journal
    except Told:
        pass
    except OSError as error:
        print(error, flush=True)  # noqa: T201
        return 1
    finally:
        # systemd tells every process of the unit to end, also the one that takes the route away.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        keeper.route("del")
    return 0


if __name__ == "__main__":
    sys.exit(main())
