# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs when nobody says anything any more.

With systemd: a transient timer (it fires when the deadline comes, and every few seconds to note
what is left) and a unit that is enabled while a pack is live, because a transient timer is gone
after a boot. The unit is for the next boot alone, so systemd need not be told of it before.
Without: a watcher process in a session of its own, and cron, which brings it back
every minute and after a boot; without cron, a line in rc.local does so after a boot.

All of them run `tick` or `boot` of the pack's own program; it decides by what is on the disk, so
one that fires too often, or too late, does no harm.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
from typing import Any

from .clock import tick_seconds
from .disk import read_json, sync_folder, write_bytes, write_json
from .failures import RestoreError
from .pack import Pack
from .system import Host

UNIT = "storewarden-restore.service"
_UNITS = "/etc/systemd/system"
_UNIT_FILE = _UNITS + "/" + UNIT
_WANTS = _UNITS + "/multi-user.target.wants"
_CRON_FILE = "/etc/cron.d/storewarden-restore"
_RC_FILE = "/etc/rc.local"
_RC_MARK = " # storewarden-restore"
MODES = ("systemd", "watcher")
# Nothing of a login, of a person, or of installed packages has a say in how Python starts.
PLAIN = ("-I", "-S", "-B")

_UNIT_TEXT = """\
# Written while a restore point is live; removed with it.
[Unit]
Description=Undo or re-arm restore point {name} after a boot
ConditionPathExists={program}
RequiresMountsFor={program}
After=local-fs.target
StartLimitIntervalSec=0

[Service]
ExecStart={command} boot
# Without it a host would stay as it is for good, if systemd had no time for the timer just now.
Restart=on-failure
RestartSec=2
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
"""


def choose(host: Host, wished: str) -> str:
    """The mode for this host; RestoreError when the wished one cannot be had."""
    able = host.has_systemd() and host.has("systemd-run")
    if wished == "systemd" and not able:
        raise RestoreError("dead_man: systemd does not run this host")
    return "systemd" if able and wished != "watcher" else "watcher"


class DeadMan:
    """Timer and boot hook of one pack."""

    def __init__(self, pack: Pack, mode: str, python: str) -> None:
        self._pack = pack
        self._host = pack.host
        self._mode = mode
        self._argv = [python, *PLAIN, pack.program]
        # Ids may contain one another; digests do not.
        self._stem = "storewarden-restore-" + hashlib.sha256(pack.id.encode()).hexdigest()[:12]

    def start(self, left: float, granted: float, serial: int) -> None:
        """Set timer and boot hook; the new timer runs before an older one is stopped.

        RestoreError when the host does not take them.
        """
        if self._mode == "systemd":
            self._enable_unit()
            self._start_timer(left, tick_seconds(granted), serial)
        else:
            self._add_boot_line()
            self._start_watcher()

    def stop(self) -> None:
        """Take timer and boot hook away. The service that undo itself may run in is left alone."""
        if self._mode == "systemd":
            self._stop(self._timers())
            self._disable_unit()
        else:
            self._drop_boot_line()

    def alive(self) -> bool:
        """Whether anything would act when the deadline comes."""
        if self._mode == "systemd":
            return bool(self._timers())
        return self._watcher_alive()

    # systemd

    def _enable_unit(self) -> None:
        text = _UNIT_TEXT.format(
            name=self._pack.id, program=self._pack.program, command=" ".join(self._argv)
        )
        _written(_UNIT_FILE, text, 0o644)
        if not os.path.isdir(_WANTS):
            os.mkdir(_WANTS, 0o755)
            sync_folder(_UNITS)
        with contextlib.suppress(FileExistsError):
            os.symlink(_UNIT_FILE, os.path.join(_WANTS, UNIT))
            sync_folder(_WANTS)

    def _disable_unit(self) -> None:
        """Only if it is ours: a timer of an older pack may come late."""
        if self._told_in(_UNIT_FILE):
            # The link first: without the file it would be found dangling.
            for place in (os.path.join(_WANTS, UNIT), _UNIT_FILE):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(place)
                    sync_folder(os.path.dirname(place))

    def _start_timer(self, left: float, tick: float, serial: int) -> None:
        name = "{0}-{1}".format(self._stem, serial)
        words = [
            *("systemd-run", "--quiet", "--unit=" + name),
            "--description=Restore point {0}".format(self._pack.id),
            "--on-active={0:.3f}s".format(max(left, 0.1)),
            "--timer-property=OnActiveSec={0:.3f}s".format(tick),
            "--timer-property=OnUnitInactiveSec={0:.3f}s".format(tick),
            "--timer-property=AccuracySec=100ms",
            # Many starts are meant; systemd would refuse them, and the undo as well.
            "--property=StartLimitIntervalSec=0",
            # Whoever ends undo must not end dpkg with it in the middle of its work.
            "--property=KillMode=process",
            "--property=OOMScoreAdjust=-900",
            *(*self._argv, "tick"),
        ]
        if self._host.run(words).code != 0:
            # The name may be taken by what a killed run left.
            self._stop([name + ".timer"])
            self._host.run(["systemctl", "reset-failed", name + ".service", name + ".timer"])
            self._host.must(words)
        timers = self._timers()
        if name + ".timer" not in timers:
            raise RestoreError("systemd did not take the timer {0}".format(name))
        self._stop([one for one in timers if one != name + ".timer"])

    def _timers(self) -> list[str]:
        words = ["list-units", "--plain", "--no-legend", "--state=active", self._stem + "-*.timer"]
        lines = self._host.run(["systemctl", *words]).out.splitlines()
        return [line.split()[0] for line in lines if line.split()]

    def _stop(self, timers: list[str]) -> None:
        if timers:
            self._host.run(["systemctl", "stop", *timers])

    # without systemd

    def _start_watcher(self) -> None:
        if self._watcher_alive():
            return
        # The child of a child: nobody has to wait for it, and no login ends it.
        subprocess.run(
            [*self._argv, "watch"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            check=False,
            env={"PATH": self._host.search, "LC_ALL": "C"},
        )
        if not self._watcher_alive():
            raise RestoreError("{0}: its watcher did not start".format(self._pack.id))

    def _watcher_alive(self) -> bool:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            known = read_json(self._pack.at("watcher.json"))
            return bool(born(self._host, int(known["pid"])) == known["born"])
        return False

    def _boot_command(self) -> str:
        return " ".join([*self._argv, "boot"])

    def _told_in(self, path: str) -> bool:
        return self._pack.program + " boot" in _text(path)

    def _add_boot_line(self) -> None:
        cron = any(self._host.has(name) for name in ("cron", "crond"))
        if cron and os.path.isdir(os.path.dirname(_CRON_FILE)):
            lines = "SHELL=/bin/sh\n@reboot root {0}\n* * * * * root {0}\n"
            _written(_CRON_FILE, lines.format(self._boot_command()), 0o644)
        else:
            # Below the first line: what stands there may end with an `exit`.
            first, *rest = _without_mark()
            self._write_rc([first, self._boot_command() + " &" + _RC_MARK, *rest])

    def _drop_boot_line(self) -> None:
        """Only if it is ours: a watcher of an older pack may come late."""
        if self._told_in(_CRON_FILE):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_CRON_FILE)
            sync_folder(os.path.dirname(_CRON_FILE))
        if self._told_in(_RC_FILE):
            rest = _without_mark()
            if rest != ["#!/bin/sh"]:
                self._write_rc(rest)
            else:
                os.unlink(_RC_FILE)

    def _write_rc(self, lines: list[str]) -> None:
        _written(_RC_FILE, "\n".join(lines) + "\n", 0o755)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as source:
            return source.read()
    except FileNotFoundError:
        return ""


def _written(path: str, text: str, mode: int) -> None:
    """Nothing when it says that already: cron wakes up for every new file."""
    if _text(path) != text:
        write_bytes(path, text.encode("utf-8", "surrogateescape"), mode)


def _without_mark() -> list[str]:
    """rc.local's lines without ours; the first one says what runs them."""
    lines = [line for line in _text(_RC_FILE).splitlines() if not line.endswith(_RC_MARK)]
    return lines if lines and lines[0].startswith("#!") else ["#!/bin/sh", *lines]


def born(host: Host, pid: int) -> str:
    """When a process began, as the kernel counts; empty when there is none. Unlike a number alone,
    number and beginning never come twice."""
    with contextlib.suppress(OSError), open(host.at("/proc/{0}/stat".format(pid))) as source:
        return str(source.read().rpartition(")")[2].split()[19])
    return ""


def introduce(pack: Pack, pid: int) -> None:
    """The watcher says who it is."""
    about: dict[str, Any] = {"pid": pid, "born": born(pack.host, pid)}
    write_json(pack.at("watcher.json"), about)
