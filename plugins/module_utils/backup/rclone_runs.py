# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of rclone: what it said, and how two trees differ. Its exit status is never asked for good
news."""

from __future__ import annotations

import json
import os
from typing import Sequence

from .failures import BackupFailure, BadCredentials, NoRoom
from .rclone_settings import Remote
from .work import Ran, Work

_REFUSED = (
    "AccessDenied",
    "Access Denied",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "unable to authenticate",
    "knownhosts: key",
    "permission denied",
    "403 Forbidden",
)
_FULL = ("no space left", "InsufficientStorage", "QuotaExceeded", "disk quota exceeded")


def run(work: Work, there: Remote, *words: str, stdin: str | None = None, into: str = "") -> Ran:
    """One command of rclone; ``into`` gets its output. Raises Unfit when it is not installed,
    Interrupted when its time is over."""
    argv = ["rclone", *words, "--use-json-log", "--ask-password=false", *there.args]
    return work.run(argv, env=there.env, stdin=stdin, into=into)


def failure(work: Work, ran: Ran, en: str, zh: str) -> BackupFailure:
    """What went wrong, with the last thing that rclone said; of the kind that it was."""
    said = errors(ran)
    text = "\n".join(said)
    last = " ".join(said[-1].split())[:300] if said else "exit status {0}".format(ran.rc)
    name = work.order.place.name
    reasons = ("{0}: {1}: {2}".format(name, en, last), "{0}：{1}：{2}".format(name, zh, last))
    for kind, signs in ((BadCredentials, _REFUSED), (NoRoom, _FULL)):
        if any(sign.lower() in text.lower() for sign in signs):
            return kind(*reasons)
    return BackupFailure(*reasons)


def errors(ran: Ran) -> list[str]:
    """What it told as an error, in order."""
    return [
        str(line.get("msg", "")).strip()
        for line in _lines(ran)
        if line.get("level") in ("error", "critical", "fatal")
    ]


def arrived(ran: Ran) -> int:
    """Bytes that it had moved by its last word about it; 0 when it never said."""
    stats = [line["stats"] for line in _lines(ran) if isinstance(line.get("stats"), dict)]
    return int(stats[-1].get("bytes", 0)) if stats else 0


def _lines(ran: Ran) -> list[dict[str, object]]:
    found = []
    for line in ran.err.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            value = {"level": "error", "msg": line} if "Fatal" in line or "Failed" in line else {}
        if isinstance(value, dict):
            found.append(value)
    return found


def compared(
    work: Work, source: str, target: str, there: Remote, words: Sequence[str] = ()
) -> dict[str, str]:
    """Each file of ``source`` -> "=" alike in ``target``, "+" not there, "*" differs, "!" not
    readable.

    Both sides' sums are compared where both have them (S3, a folder); else sizes. Raises the
    failure when the comparison did not come to its end: then nothing is known.
    """
    file = os.path.join(work.folder, "compared")
    if os.path.exists(file):
        os.unlink(file)
    ran = run(work, there, "check", source, target, "--one-way", "--combined", file, *words)
    found: dict[str, str] = {}
    if os.path.exists(file):
        with open(file, encoding="utf-8", errors="surrogateescape") as lines:
            found = {line[2:].rstrip("\n"): line[0] for line in lines}
    told = set(found.values())
    if (ran.rc and not told & {"+", "*"}) or "!" in told:
        raise failure(work, ran, "the copy cannot be compared", "无法比对副本")
    return found
