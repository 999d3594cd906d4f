# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site's renewal hook, run so that nothing of it is left when its time is over.

A hook starts programs of its own (certbot, acme.sh), and one of these that lived on would write a
new certificate over the old pair after the undo had put that back. So the hook is a unit with a
time limit of systemd's, and all that is in it ends with it; where systemd does not run the host, it
is a session of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import stat
import subprocess

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Done, Host

FOLDER = "/etc/storewarden/renew.d"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TAG = "storewarden-renew"  # its words in the journal
_GRACE = 15.0  # seconds in which systemd ends what is over its time


def hook_problem(host: Host, name: str) -> str:
    """Why the hook may not be run, or nothing. All folders above it count: who can write one of
    them can put another program in its place."""
    if not _NAME.fullmatch(name):
        return "{0!r} is no name of a hook".format(name)
    path = FOLDER + "/" + name
    place = path
    while place:
        problem = _loose(host, place)
        if problem:
            return problem
        place = place.rpartition("/")[0]
    found = os.lstat(host.at(path))
    if not stat.S_ISREG(found.st_mode) or not found.st_mode & stat.S_IXUSR:
        return "{0} is no program".format(path)
    return ""


def _loose(host: Host, path: str) -> str:
    try:
        found = os.lstat(host.at(path))
    except OSError as error:
        return "{0}: {1}".format(path, error.strerror)
    if stat.S_ISLNK(found.st_mode):
        return "{0} is a link".format(path)
    if found.st_uid != 0 or found.st_mode & 0o022:
        return "{0} is not root's alone to write".format(path)
    return ""


def run_hook(host: Host, name: str, words: list[str], seconds: float) -> int:
    """The status with which it ended; 124 when its time was over. Whatever happens, also a time
    limit from outside, nothing of it runs any more when this is left."""
    program = [host.at(FOLDER + "/" + name), *words]
    if host.has_systemd() and host.has("systemd-run"):
        return _as_unit(host, program, seconds)
    return _as_session(host, program, seconds)


def _environment(host: Host) -> dict[str, str]:
    return {"PATH": host.search, "LC_ALL": "C", "HOME": "/root"}


def _as_unit(host: Host, program: list[str], seconds: float) -> int:
    unit = "{0}-{1}.service".format(_TAG, os.getpid())
    limits = [
        *("RuntimeMaxSec={0:g}".format(seconds), "KillMode=control-group", "TimeoutStopSec=2"),
        "SyslogIdentifier=" + _TAG,
    ]
    argv = ["systemd-run", "--quiet", "--wait", "--collect", "--unit=" + unit]
    argv += ["--property=" + one for one in limits]
    argv += ["--setenv={0}={1}".format(*one) for one in _environment(host).items()]
    done = Done(124, "", "")
    try:
        done = host.run([*argv, "--", *program], seconds + _GRACE)
    finally:
        if done.code != 0:
            # What it says may hold what nobody should read: it stays in the host's own journal.
            host.run(["systemctl", "kill", "--signal=KILL", "--", unit], _GRACE)
            host.run(["systemctl", "stop", "--", unit], _GRACE)
    return done.code


def _as_session(host: Host, program: list[str], seconds: float) -> int:
    nothing = subprocess.DEVNULL  # where there is no journal, nobody keeps what it says
    # Not in a with block: that would wait for a program which nothing can end.
    child = subprocess.Popen(  # pylint: disable=consider-using-with
        program, stdin=nothing, stdout=nothing, stderr=nothing, cwd="/",
        env=_environment(host), start_new_session=True,
    )  # fmt: skip
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return 124
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(5.0)
