# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One answer to each question of a gate; a question that cannot be answered says why.

An answer has ``ok``, ``text``, ``count``, ``lines`` as far as its kind has them, or ``problem``.
"The unit is dead" is an answer; "there is no systemd here" is none, and must never look like one.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from .log_lines import NoAnswer, Span, Tally, count_files, count_journal

Answer = dict[str, Any]
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TEXT = 1000  # characters of a program's output that travel


class _TooLong(Exception):
    """The question's time is up."""


def answers(asks: list[dict[str, Any]]) -> dict[str, Answer]:
    """Question's name -> answer."""
    return {str(one["name"]): _answer(one) for one in asks}


def _answer(one: dict[str, Any]) -> Answer:
    kind = KINDS.get(str(one.get("kind")))
    if kind is None:
        return {"problem": "unknown question: {0}".format(one.get("kind"))}
    seconds = float(one.get("seconds") or 10)
    try:
        with _at_most(seconds):
            return kind(one)
    except NoAnswer as error:
        return {"problem": str(error)}
    except _TooLong:
        return {"problem": "took longer than {0:g} s".format(seconds)}
    except OSError as error:
        return {"problem": error.strerror or type(error).__name__}


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """A regular expression can take for ever as well as a program; an alarm ends both."""

    def late(_number: int, _frame: Any) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _unit(one: dict[str, Any]) -> Answer:
    if not os.path.isdir("/run/systemd/system"):
        raise NoAnswer("systemd does not run here")
    code, out, said = _run(["systemctl", "is-active", "--", str(one["unit"])], "")
    state = out.strip()
    if not state:
        raise NoAnswer("systemctl: {0}".format(said.strip() or code))
    return {"ok": state == "active", "text": state}


def _command(one: dict[str, Any]) -> Answer:
    code, out, said = _run([str(word) for word in one["argv"]], str(one.get("user") or ""))
    if code == 0:
        return {"ok": True, "text": out[:_TEXT]}
    lines = (said.strip() or out.strip()).splitlines()
    return {"ok": False, "text": "status {0}: {1}".format(code, lines[-1] if lines else "")[:_TEXT]}


def _run(argv: list[str], user: str) -> tuple[int, str, str]:
    found = shutil.which(argv[0], path=_PATH)
    if found is None:
        raise NoAnswer("{0} is not installed".format(argv[0]))
    program = subprocess.Popen(
        [found, *argv[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        start_new_session=True,
        **_as_user(user),
    )
    try:
        out, said = program.communicate()
    except BaseException:
        os.killpg(program.pid, signal.SIGKILL)
        program.communicate()
        raise
    return program.returncode, out.decode("utf-8", "replace"), said.decode("utf-8", "replace")


def _as_user(user: str) -> dict[str, Any]:
    environment = {"PATH": _PATH, "LC_ALL": "C.UTF-8", "HOME": "/root"}
    if not user:
        return {"env": environment}
    try:
        known = pwd.getpwnam(user)
    except KeyError:
        raise NoAnswer("there is no user {0}".format(user)) from None
    groups = os.getgrouplist(user, known.pw_gid)
    environment.update(HOME=known.pw_dir, USER=user, LOGNAME=user)
    own = {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": groups}
    return {"env": environment, **own}


def _journal(one: dict[str, Any]) -> Answer:
    tally, span = _counting(one)
    count_journal(tally, span, str(one.get("unit") or ""))
    return {"count": tally.count, "lines": tally.lines}


def _files(one: dict[str, Any]) -> Answer:
    tally, span = _counting(one)
    count_files(tally, span, [str(path) for path in one.get("paths") or ()])
    return {"count": tally.count, "lines": tally.lines}


def _counting(one: dict[str, Any]) -> tuple[Tally, Span]:
    span = Span(float(one["since"]), float(one["until"]))
    return Tally(str(one["pattern"]), str(one.get("ignore") or "")), span


KINDS: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "unit": _unit,
    "command": _command,
    "journal": _journal,
    "files": _files,
}
