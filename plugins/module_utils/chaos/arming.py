# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a fault is put on a host so that it ends whatever becomes of whoever made it.

The order is the point: the script that takes it back lies on the host, and a timer of systemd that
runs it has been seen waiting, before the fault is made. Everything lies below /run: a boot ends
the experiment, and takes the timer along. The script may be run by the timer, by the controller or
by hand; it takes the fault back once, and a fault that was not made by then is never made.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.chaos.fault import (
    ChaosError,
    Spell,
    needs,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Done, Host

FOLDER = "/run/storewarden-chaos"
LATE = 2.0  # seconds in which an answer is on its way before its line is cut
_IDENT = re.compile(r"chaos-[0-9]{1,9}")
_HEAD = """\
#!/bin/sh
# {title}
PATH={path} LC_ALL=C
export PATH LC_ALL
cd / || exit 1
here={here}
exec 9>"$here/lock" || exit 1
flock 9 || exit 1
"""
_MAKE = """\
[ ! -e "$here/over" ] || exit 0
date +%s > "$here/made"
set -e
{body}
"""
_UNDO = """\
[ ! -e "$here/undone" ] || exit 0
: > "$here/over"
( set -e
{body}
)
[ $? -eq 0 ] || exit 1
printf '%s %s\\n' "$(date +%s)" "${{1:-hand}}" > "$here/undone.new"
mv "$here/undone.new" "$here/undone"
"""


def begin(host: Host, spell: Spell, ident: str, seconds: float) -> dict[str, Any]:
    """Arm the timer, then make the fault. Raises ChaosError; nothing is broken then."""
    _free(host, ident)
    for program in ("flock", "systemd-run"):
        needs(host, program)
    _write(host, spell, ident)
    _arm(host, ident, seconds)
    if spell.late:
        done = _in_a_moment(host, ident)
    else:
        done = host.run(["/bin/sh", host.at(_script(ident, "make"))])
    if done.code != 0:
        end(host, ident, "order")
        raise ChaosError(
            "it could not be made: {0}".format(done.last), "无法制造：{0}".format(done.last)
        )
    return {"made": True, "late": spell.late, "en": spell.en, "zh": spell.zh}


def end(host: Host, ident: str, who: str) -> dict[str, Any]:
    """Take the fault back now, if nobody has; what is known of its end. The timer stays armed
    when that fails. Raises ChaosError when it did not succeed."""
    _checked(ident)
    if not os.path.isdir(host.at(_place(ident))):
        return {"undone": True, "by": "", "at": None, "made_at": None}
    if _read(host, ident, "undone") is None:
        done = host.run(["/bin/sh", host.at(_script(ident, "undo")), who], seconds=120.0)
        if done.code != 0:
            raise ChaosError(
                "it could not be taken back: {0}; its timer goes on trying".format(done.last),
                "无法撤销：{0}；定时器会继续尝试".format(done.last),
            )
    told = _told(host, ident)
    _forget(host, ident)
    return told


def _forget(host: Host, ident: str) -> None:
    """Leave nothing of it. The service as well: one that has failed is started every 15 seconds,
    and would fail for ever once its script is gone."""
    undo, make = _unit(ident, "undo"), _unit(ident, "make")
    for unit in (undo + ".timer", make + ".timer", undo + ".service"):
        host.run(["systemctl", "stop", unit])
    shutil.rmtree(host.at(_place(ident)), ignore_errors=True)


def _told(host: Host, ident: str) -> dict[str, Any]:
    at, _blank, by = (_read(host, ident, "undone") or "").partition(" ")
    return {
        "undone": True,
        "by": by,
        "at": _seconds(at),
        "made_at": _seconds(_read(host, ident, "made") or ""),
    }


def _seconds(text: str) -> Any:
    return int(text) if text.isdigit() else None


def _free(host: Host, ident: str) -> None:
    """One experiment per host; what is left of earlier ones that are over is removed."""
    _checked(ident)
    folder = host.at(FOLDER)
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        if not os.path.exists(os.path.join(folder, name, "undone")):
            raise ChaosError(
                "{0} is under way on this host".format(name), "该主机上正在进行 {0}".format(name)
            )
        _forget(host, name)


def _write(host: Host, spell: Spell, ident: str) -> None:
    os.makedirs(host.at(_place(ident)), mode=0o700)
    titles = {"make": "makes a fault", "undo": "takes the fault back; again: nothing happens"}
    for name, frame, body in (("make", _MAKE, spell.make), ("undo", _UNDO, spell.undo)):
        title = "Written by storewarden, {0}: {1}.".format(ident, titles[name])
        text = _HEAD.format(
            title=title, here=shlex.quote(host.at(_place(ident))), path=shlex.quote(host.search)
        ) + frame.format(body=body)
        with open(host.at(_script(ident, name)), "w", encoding="utf-8") as stream:
            stream.write(text)


def _arm(host: Host, ident: str, seconds: float) -> None:
    """The timer that takes it back; ChaosError unless systemd says that it waits."""
    unit = _unit(ident, "undo")
    properties = ("Restart=on-failure", "RestartSec=15")
    done = _timer(host, unit, seconds, *properties, argv=[host.at(_script(ident, "undo")), "timer"])
    state = host.run(["systemctl", "show", "--property=SubState", "--value", unit + ".timer"])
    if done.code != 0 or state.out.strip() != "waiting":
        _forget(host, ident)
        raise ChaosError(
            "its timer cannot be armed: {0}".format(done.last if done.code else state.out.strip()),
            "定时器无法启动：{0}".format(done.last if done.code else state.out.strip()),
        )


def _in_a_moment(host: Host, ident: str) -> Done:
    return _timer(host, _unit(ident, "make"), LATE, argv=[host.at(_script(ident, "make"))])


def _timer(host: Host, unit: str, seconds: float, *properties: str, argv: list[str]) -> Done:
    return host.run(
        [
            "systemd-run",
            "--quiet",
            "--unit=" + unit,
            "--on-active={0:g}s".format(seconds),
            "--timer-property=AccuracySec=100ms",
            *("--property=" + one for one in properties),
            "/bin/sh",
            *argv,
        ]
    )


def _read(host: Host, ident: str, name: str) -> Any:
    """What a mark says; None when it is not there."""
    try:
        with open(host.at("{0}/{1}".format(_place(ident), name)), encoding="ascii") as stream:
            return stream.read().strip()
    except FileNotFoundError:
        return None


def _checked(ident: str) -> None:
    if not _IDENT.fullmatch(ident):
        raise ChaosError(
            "{0!r} is no name of an experiment".format(ident), "{0!r} 不是实验名".format(ident)
        )


def _place(ident: str) -> str:
    return "{0}/{1}".format(FOLDER, ident)


def _script(ident: str, name: str) -> str:
    return "{0}/{1}.sh".format(_place(ident), name)


def _unit(ident: str, name: str) -> str:
    return "storewarden-{0}-{1}".format(ident, name)
