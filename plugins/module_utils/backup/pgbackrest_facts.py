# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pgBackRest says, read: its failures, its inventory, its verification, names of WAL segments.

Its exit status is not to be trusted: ``info`` ends with 0 over a wrong pass phrase, ``verify``
with 0 over broken files, and neither counts a WAL segment in the middle that is not there (all of
2.45).
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, Sequence

from .failures import BackupFailure, BadCredentials, Busy, Interrupted, NoRoom, Rejected
from .work import Ran

KINDS = {"full": "full", "diff": "differential", "incr": "incremental"}
TYPES = {ours: theirs for theirs, ours in KINDS.items()}
_LOCKED, _TERMINATED, _FORMAT, _CRYPTO = 50, 63, 29, 95
_STATUS_OTHER = 99
_UNREADABLE = ("key/value found outside of section", "cipher header", "unable to flush",
               "invalid header")  # fmt: skip
_WAL = re.compile(r"([0-9A-F]{24})-[0-9a-f]{40}(?:\.[a-z0-9]+)?\Z")
_BACKUP = re.compile(r"backup: (\S+), status: (\w+(?: \w+)*)")
_ARCHIVED = re.compile(r"archiveId: (\S+), total WAL checked: (\d+), total valid WAL: (\d+)")
_BAD_WAL = re.compile(r"(?:invalid|missing|mismatch)[^\n]*?/([0-9A-F]{24})-[0-9a-f]{40}")
_LABEL = re.compile(r"new backup label = (\S+)")


class Backup(NamedTuple):
    """One backup of the inventory. ``first`` and ``last`` are the WAL segments that it needs,
    ``needs`` the labels whose files it uses, ``stored`` the bytes that its own folder holds."""

    label: str
    kind: str
    parent: str
    taken: float
    stored: int
    size: int
    needs: tuple[str, ...]
    first: str
    last: str
    archive: str
    wrong: bool


class Verified(NamedTuple):
    """What ``verify`` found: label -> what is wrong with it, and WAL segments that are broken."""

    backups: dict[str, str]
    segments: tuple[str, ...]


def refused(ran: Ran, what: str) -> BackupFailure:
    """Why pgBackRest did not do it, as one of the ends that the catalog knows."""
    text = "{0}\n{1}".format(ran.err, ran.out)
    line = _error(text)
    en, zh = "pgBackRest {0}: {1}".format(what, line), "pgBackRest {0}：{1}".format(what, line)
    if unreadable(text):
        return wrong_pass()
    # It also ends with 50 when it may not write the lock's file, which waiting does not heal.
    if ran.rc == _LOCKED and "Permission denied" not in text:
        return Busy(en, zh)
    if "No space left" in text or "[28]" in text:
        return NoRoom(en, zh)
    if ran.rc < 0 or ran.rc in (_TERMINATED, 137, 143):
        return Interrupted(en, zh)
    return BackupFailure(en, zh)


def wrong_pass() -> BadCredentials:
    return BadCredentials(
        "the repository cannot be read with this pass phrase (secret repository)",
        "无法用此口令读取仓库（密钥 repository）",
    )


def unreadable(text: str) -> bool:
    """Whether this is what pgBackRest says over a wrong pass phrase."""
    return any(word in text for word in _UNREADABLE)


def new_label(ran: Ran) -> str:
    """The label of the backup that was made. Raises Rejected where it names none."""
    match = _LABEL.search(ran.out)
    if match is None:
        raise Rejected(
            "pgBackRest ended with 0 and named no backup", "pgBackRest 返回 0 但没有给出备份标签"
        )
    return match.group(1)


def inventory(text: str, stanza: str) -> list[Backup]:
    """The backups of ``info --output=json``, oldest first; [] for a stanza that is not made yet.
    Raises BadCredentials, Rejected."""
    found = _stanza(text, stanza)
    if found is None:
        return []
    return [_backup(each, found) for each in found.get("backup", ())]


def newest_segment(text: str, stanza: str) -> str:
    """The newest WAL segment of the repository, as ``info`` says; "" for none."""
    found = _stanza(text, stanza) or {}
    return max((str(each.get("max") or "") for each in found.get("archive", ())), default="")


def verified(ran: Ran, labels: Sequence[str]) -> Verified:
    """What ``verify --output=text --verbose`` at log level info said of these backups. Raises
    BadCredentials, and Rejected for an answer that says nothing of one of them."""
    text = "{0}\n{1}".format(ran.out, ran.err)
    if "No usable backup.info file" in text or unreadable(text):
        raise wrong_pass()
    if ran.rc != 0 or "stanza:" not in text or not (_ARCHIVED.search(text) or not labels):
        raise refused(ran, "verify")
    said = dict(_BACKUP.findall(text))
    wrong = {label: status for label, status in said.items() if status != "valid"}
    for label in labels:
        if label not in said:
            wrong[label] = "was not looked at"
    return Verified(wrong, tuple(sorted(set(_BAD_WAL.findall(text)))))


def segment_of(name: str) -> str:
    """The WAL segment whose file in the archive has this name; "" for any other file.

    >>> segment_of("000000010000000000000002-5c20ac5f4d081934ea784c86fb00ff7a61040378.zst")
    '000000010000000000000002'
    """
    match = _WAL.match(name)
    return match.group(1) if match else ""


def number(segment: str, size: int) -> int:
    """The place of a segment in its timeline; ``size`` are bytes of a segment."""
    return int(segment[8:16], 16) * (0x100000000 // size) + int(segment[16:], 16)


def named(timeline: str, place: int, size: int) -> str:
    """The segment at a place of a timeline."""
    each = 0x100000000 // size
    return "{0}{1:08X}{2:08X}".format(timeline, place // each, place % each)


def missing(segments: set[str], first: str, last: str, size: int) -> list[str]:
    """The segments from ``first`` to ``last`` of one timeline that are not among ``segments``.

    >>> missing({"000000010000000000000001"}, "0" * 7 + "10000000000000001", "", 1 << 24)
    []
    """
    if not first or not last or first[:8] != last[:8]:
        return []
    places = range(number(first, size), number(last, size) + 1)
    wanted = (named(first[:8], place, size) for place in places)
    return [each for each in wanted if each not in segments]


def _stanza(text: str, stanza: str) -> dict[str, Any] | None:
    try:
        # Over a wrong pass phrase the message has bytes in it that are no JSON either.
        every = json.loads(text, strict=False)
        found = next(each for each in every if each.get("name") == stanza)
    except (ValueError, StopIteration, AttributeError, TypeError):
        if unreadable(text):
            raise wrong_pass() from None
        raise Rejected("pgBackRest's inventory is no JSON", "pgBackRest 的清单不是 JSON") from None
    for repo in found.get("repo", ()):
        status = repo.get("status", {})
        message = str(status.get("message", ""))
        if unreadable(message):
            raise wrong_pass()
        if status.get("code") == _STATUS_OTHER:
            line = message.splitlines()[0][:200]
            raise Rejected("pgBackRest info: " + line, "pgBackRest info：" + line)
        if status.get("code") == 1:  # missing stanza path
            return None
    return dict(found)


def _backup(each: dict[str, Any], stanza: dict[str, Any]) -> Backup:
    archive = each.get("archive") or {}
    own = each.get("database", {}).get("id")
    ids = [a["id"] for a in stanza.get("archive", ()) if a.get("database", {}).get("id") == own]
    info = each.get("info", {})
    stored = info.get("repository", {})
    return Backup(
        label=str(each["label"]),
        kind=KINDS.get(each.get("type", ""), "full"),
        parent=str(each.get("prior") or ""),
        taken=float(each.get("timestamp", {}).get("stop", 0)),
        stored=int(stored.get("delta") or 0),
        size=int(info.get("size") or 0),
        needs=tuple(each.get("reference") or ()),
        first=str(archive.get("start") or ""),
        last=str(archive.get("stop") or ""),
        archive=str(ids[0]) if ids else "",
        wrong=bool(each.get("error")),
    )


def _error(text: str) -> str:
    """The line that says what it was; bytes of an encrypted file are left out."""
    lines = [line for line in text.splitlines() if "ERROR" in line] or text.strip().splitlines()
    line = lines[0] if lines else "no word"
    return "".join(sign for sign in line if sign.isprintable())[:300]
